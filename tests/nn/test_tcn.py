import pytest
import torch
import torch.nn.functional as F

from tacit.core import View
from tacit.errors import UsageError
from tacit.nn.standardise import Standardise
from tacit.nn.tcn import TCN


def steps(lengths=(20, 7, 13, 1), channels=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    valid = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    x = torch.randn(len(lengths), max(lengths), channels, generator=generator)
    return View(torch.where(valid[..., None], x, 0), valid)


def net(view, **settings):
    torch.manual_seed(0)
    return TCN(TCN.Config(width=8, out=12, **settings), view).eval()


def test_shapes_and_blocks_that_see_the_whole():
    view = steps((100, 60))
    encoder = net(view)
    found = encoder(view)
    assert found.pooled.shape == (2, 24)
    assert found.tokens.shape == (2, 100, 12)
    assert 4 * (2 ** len(encoder.blocks) - 1) >= 100 > 4 * (2 ** (len(encoder.blocks) - 1) - 1)
    x = view.x.clone().requires_grad_()
    encoder(View(x, view.valid)).tokens[0, 50].sum().backward()
    assert (x.grad[0].abs().sum(dim=1) > 0).all(), "the token in the middle sees every step"


def test_a_block_is_what_the_paper_says():
    """Against torch's own layers, written out for one block on a series without padding."""
    view = steps((16,))
    encoder = net(view, depth=1)
    block = encoder.blocks[0]
    known = torch.ones_like(view.x)
    x = encoder.project(torch.cat([encoder.standardise(view.x), known], dim=2)).transpose(1, 2)
    inner = F.conv1d(F.gelu(x), block.first.weight, block.first.bias, padding=1)
    outer = F.conv1d(F.gelu(inner), block.second.weight, block.second.bias, padding=1)
    expected = outer + F.conv1d(x, block.past.weight, block.past.bias)
    found = encoder(view)
    assert torch.allclose(found.tokens, expected.transpose(1, 2), atol=1e-5)
    assert torch.allclose(found.pooled, torch.cat([expected.mean(2), expected.amax(2)], dim=1), atol=1e-5)


@pytest.mark.parametrize("patch", [1, 4])
def test_a_causal_encoder_does_not_see_the_future(patch):
    view = steps((40, 33))
    encoder = net(view, causal=True, patch=patch)
    before = encoder(view)
    x = view.x.clone()
    x[:, 20:] = 99
    assert torch.equal(encoder(View(x, view.valid)).tokens[:, : 20 // patch], before.tokens[:, : 20 // patch])
    assert not torch.equal(encoder(View(x, view.valid)).tokens[:, 20 // patch], before.tokens[:, 20 // patch])
    other = net(view, patch=patch)
    assert not torch.equal(other(View(x, view.valid)).tokens[:, 4], other(view).tokens[:, 4])


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("patch", [1, 4])
def test_padding_enters_nothing(patch, causal):
    """Neither what stands in it nor how much of it there is."""
    view = steps()
    encoder = net(view, patch=patch, causal=causal)
    longer = View(F.pad(view.x, (0, 0, 0, 9), value=1e6), F.pad(view.valid, (0, 9)))
    spoilt = View(torch.where(longer.valid[..., None], longer.x, torch.nan), longer.valid)
    expected = encoder(view)
    for other in (longer, spoilt):
        assert torch.equal(encoder(other).pooled, expected.pooled)
    for row, count in enumerate((20, 7, 13, 1)):
        alone = encoder(View(view.x[row : row + 1, :count]))
        assert torch.allclose(alone.pooled[0], expected.pooled[row], atol=1e-5)


def test_missing_values_are_neither_zero_nor_mean():
    view = steps((12,))
    encoder = net(view)
    missing = view.x.clone()
    missing[0, 5, 1] = torch.nan
    found = encoder(View(missing, view.valid)).pooled
    assert found.isfinite().all()
    for value in (0.0, float(encoder.standardise.mean[1])):
        filled = view.x.clone()
        filled[0, 5, 1] = value
        assert not torch.allclose(encoder(View(filled, view.valid)).pooled, found, atol=1e-4)


def test_steps_that_are_missing_enter_nothing():
    view = steps((12,))
    valid = view.valid.clone()
    valid[0, 5] = False
    encoder = net(view)
    found = encoder(View(view.x, valid))
    changed = view.x.clone()
    changed[0, 5] = 99
    assert torch.equal(found.pooled, encoder(View(changed, valid)).pooled)
    assert (found.tokens[0, 5] == 0).all()


def test_gradients_are_numbers_where_values_are_missing():
    view = steps()
    x = view.x.clone()
    x[0, 3, 1] = torch.nan
    encoder = net(view).train()
    encoder(View(x, view.valid)).pooled.square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in encoder.parameters())


def test_a_series_without_a_step_is_zeros():
    view = steps((3, 2))
    found = net(view)(View(view.x, torch.zeros_like(view.valid)))
    assert (found.pooled == 0).all()


@pytest.mark.parametrize("patch", [1, 4])
@pytest.mark.parametrize("causal", [True, False])
def test_tokens_hold_standardised_values_and_hidden_ones_are_hidden_from_all_layers(patch, causal):
    view = steps()
    x = view.x.clone()
    x[0, 3, 1] = torch.nan
    view = View(x, view.valid, torch.arange(20).expand(4, -1))
    encoder = net(view, patch=patch, causal=causal, depth=3)
    tokens = encoder.cut(view)
    assert tokens.x.shape == (4, 20 // patch, encoder.width)
    held = encoder.standardise(x).where(view.valid[..., None], torch.nan).view(4, -1, patch * 3)
    assert torch.equal(tokens.target.nan_to_num(nan=-9), held.nan_to_num(nan=-9))
    (states,) = encoder.layers(tokens)
    assert states.shape[2] == encoder.out
    assert torch.equal(states, encoder(view).tokens)
    hide = torch.zeros_like(tokens.valid)
    hide[:, 2] = True
    spoilt = view.x.clone()
    spoilt[:, 2 * patch : 3 * patch] = 50
    answers = [
        encoder.layers(each.with_x(each.x.masked_fill(hide[..., None], 0.0)))[-1]
        for each in (tokens, encoder.cut(View(spoilt, view.valid, view.where)))
    ]
    assert torch.equal(*answers)


def test_long_series_have_fewer_tokens():
    view = steps((1_460,), channels=1)
    assert net(view).patch == 6
    assert net(view)(view).tokens.shape[1] == 244


def test_stages_hold_every_weight_once():
    encoder = net(steps(), depth=4)
    names = [name for stage in encoder.stages() for name in stage]
    assert sorted(names) == sorted(encoder.state_dict())
    assert len(encoder.stages()) == 5


def test_other_data_are_refused_by_it():
    with pytest.raises(UsageError, match="another encoder"):
        TCN(TCN.Config(), View(torch.rand(2, 3, 8, 8)))


def test_missing_values_count_for_nothing_in_the_standardisation():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 3, generator=generator) * torch.tensor([1.0, 5.0, 1.0]) + 4
    lost = x.clone()
    lost[::3, 1], lost[:, 2] = torch.nan, torch.nan
    layer = Standardise(lost)
    known = x[torch.arange(200) % 3 != 0, 1]
    assert torch.allclose(layer.mean, torch.stack([x[:, 0].mean(), known.mean(), torch.tensor(0.0)]), atol=1e-5)
    assert torch.allclose(layer.std[:2], torch.stack([x[:, 0].std(correction=0), known.std(correction=0)]), atol=1e-5)
    assert layer.std[2] == 1
    assert torch.equal(layer(lost).isnan(), lost.isnan())


def test_small_numbers_are_not_taken_for_constant_ones():
    x = torch.randn(500, 2, generator=torch.Generator().manual_seed(0)) * 1e-6
    x[:, 1] = 1e-6
    found = Standardise(x)(x)
    assert torch.allclose(found[:, 0].std(), torch.tensor(1.0), atol=0.01)
    assert found[:, 1].abs().max() < 1e-3
