import pytest
import torch
import torch.nn.functional as F

from tacit.core import View
from tacit.errors import UsageError
from tacit.nn.tdnn import TDNN, over_time


def frames(lengths=(20, 7, 13, 1), bands=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    valid = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return View(torch.randn(len(lengths), max(lengths), bands, generator=generator), valid)


def net(view, **settings):
    torch.manual_seed(0)
    return TDNN(TDNN.Config(width=8, **settings), view)


def test_it_is_a_convolution_over_time():
    """Against torch's own, on a sample without padding."""
    view = frames((20,))
    encoder = net(view).eval()
    x = encoder.standardise(view.x).transpose(1, 2)
    for at, layer in enumerate(encoder.body):
        reach = 1 if at else 2
        weight = layer.linear.weight.view(8, 2 * reach + 1, -1).transpose(1, 2)
        x = F.relu(layer.norm(F.conv1d(x, weight, stride=1 if at else 2, padding=reach)))
    found = encoder(view)
    assert torch.allclose(found.tokens, x.transpose(1, 2), atol=1e-5)
    assert torch.allclose(found.pooled, torch.cat([x.mean(2), x.amax(2)], dim=1), atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_padding_enters_nothing(training):
    """Neither what stands in it nor how much of it there is, be it in features or in BatchNorm's statistics."""
    view = frames()
    first, second = net(view).train(training), net(view).train(training)
    spoilt = View(torch.where(view.valid[..., None], view.x, 1e6), view.valid)
    longer = View(F.pad(spoilt.x, (0, 0, 0, 9)), F.pad(spoilt.valid, (0, 9)))
    expected, found = first(view), second(longer)
    assert torch.equal(expected.pooled, found.pooled)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_a_samples_features_are_its_own():
    view = frames()
    encoder = net(view).eval()
    whole = encoder(view)
    for row, count in enumerate((20, 7, 13, 1)):
        alone = encoder(View(view.x[row : row + 1, :count]))
        assert torch.allclose(alone.pooled[0], whole.pooled[row], atol=1e-5)
        assert whole.valid[row].sum() == -(-count // 2)
        assert torch.allclose(alone.tokens[0], whole.tokens[row][whole.valid[row]], atol=1e-5)


def test_missing_frames_inside_are_nothing():
    view = frames((12,))
    valid = view.valid.clone()
    valid[0, 5] = False
    encoder = net(view).eval()
    found = encoder(View(view.x, valid))
    changed = view.x.clone()
    changed[0, 5] = 99
    assert torch.equal(found.pooled, encoder(View(changed, valid)).pooled)
    assert found.valid.tolist() == [[True] * 6]


def test_gradients_reach_the_real_frames_alone():
    view = frames()
    x = view.x.clone().requires_grad_()
    net(view)(View(x, view.valid)).pooled.square().sum().backward()
    assert x.grad[view.valid].abs().sum() > 0
    assert (x.grad[~view.valid] == 0).all()


def test_stages_hold_every_weight_once():
    encoder = net(frames(), layers=4)
    names = [name for stage in encoder.stages() for name in stage]
    assert sorted(names) == sorted(encoder.state_dict())
    assert len(encoder.stages()) == 4


def test_the_mean_and_the_maximum_of_nothing_are_zero():
    mean, peak = over_time(torch.randn(2, 3, 4), torch.zeros(2, 3, dtype=torch.bool))
    assert (mean == 0).all()
    assert (peak == 0).all()


def test_other_data_are_refused():
    with pytest.raises(UsageError, match="another encoder"):
        TDNN(TDNN.Config(), View(torch.rand(2, 3, 8, 8)))
