from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from tacit.core import Tokens, View
from tacit.errors import UsageError
from tacit.nn.transformer import HEAD, SIZES, Rows, Transformer, rotated, rotation
from tacit.view import PAUSES


def ids(rows=4, length=12, vocabulary=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(4, vocabulary, (rows, length), generator=generator)
    valid = torch.arange(length) < torch.randint(3, length, (rows, 1), generator=generator)
    return View(x * valid, valid, vocabulary=vocabulary)


def frames(rows=4, length=22, width=5):
    x = torch.randn(rows, length, width, generator=torch.Generator().manual_seed(0)).cumsum(1)
    valid = torch.arange(length) < torch.tensor([[22], [9], [14], [1]])
    return View(x.masked_fill(~valid[..., None], torch.nan), valid)


def images():
    return View(torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)))


def made(view, **settings):
    torch.manual_seed(0)
    return Transformer(Transformer.Config(**settings), view).eval()


@pytest.mark.parametrize("view", [ids(), frames(), images()], ids=["ids", "frames", "grid"])
def test_it_reads_any_kind_of_view(view):
    network = made(view)
    features = network(view)
    assert features.pooled.shape == (4, network.dim) == (4, SIZES["tiny"][1])
    assert features.pooled.isfinite().all()
    assert features.tokens.shape[:2] == features.valid.shape
    mean = torch.stack([each[valid].mean(0) for each, valid in zip(features.tokens, features.valid, strict=True)])
    assert torch.allclose(features.pooled, mean, atol=1e-5)
    assert not features.tokens[~features.valid].any()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", ["ids", "frames"])
def test_padding_enters_nothing(kind, causal):
    view = ids() if kind == "ids" else frames()
    network = made(view, causal=causal)
    pooled = network(view).pooled
    for row in range(len(view)):
        own = View(view.x[row : row + 1, view.valid[row]], None, vocabulary=view.vocabulary)
        assert torch.allclose(network(own).pooled[0], pooled[row], atol=1e-4)
    junk = view.x.clone()
    junk[~view.valid] = 7
    assert torch.equal(network(View(junk, view.valid, vocabulary=view.vocabulary)).pooled, pooled)


def test_no_gradient_flows_from_padding_and_all_are_numbers():
    view = frames()
    network = made(view).train()
    network(view).pooled.square().sum().backward()
    assert all(weight.grad.isfinite().all() for weight in network.parameters())


@pytest.mark.parametrize("padded", [False, True])
def test_a_causal_one_does_not_see_the_future_and_another_does(padded):
    view = ids()
    if not padded:
        view = View(view.x.clamp_min(4), None, vocabulary=40)
    changed = view.x.clone()
    changed[:, 2] = 39 - changed[:, 2]
    other = View(changed, view.valid, vocabulary=40)
    for causal in (True, False):
        network = made(view, causal=causal)
        same = (network(view).tokens[:, :2] - network(other).tokens[:, :2]).abs().amax() < 1e-5
        assert bool(same) is causal


def test_a_token_of_a_causal_one_knows_the_pauses_up_to_its_own_and_padding_has_none():
    view = ids()
    drawn = torch.randint(1, PAUSES, view.x.shape, generator=torch.Generator().manual_seed(1))
    timed = replace(view, pauses=drawn * view.valid)
    network = made(timed, causal=True)
    untold = network(view).tokens
    assert torch.equal(network(timed).tokens, untold), "what nothing was learnt of says nothing"
    torch.nn.init.normal_(network.stem.pauses.vectors.weight)
    tokens = network(timed).tokens
    other = replace(timed, pauses=torch.cat([timed.pauses[:, :2], 95 - timed.pauses[:, 2:]], dim=1))
    changed = network(other).tokens
    assert torch.equal(changed[:, :2], tokens[:, :2])
    assert not torch.allclose(changed[:, 2], tokens[:, 2])
    beside = replace(timed, pauses=torch.where(view.valid, timed.pauses, 5))
    assert torch.equal(network(beside).tokens, tokens)
    assert torch.equal(network(view).tokens, network(replace(view, pauses=torch.zeros_like(view.x))).tokens)


def test_in_training_a_sample_in_ten_does_without_its_pauses():
    view = replace(ids(rows=400), pauses=torch.full((400, 12), 9))
    stem = made(view).stem.train()
    torch.nn.init.ones_(stem.pauses.vectors.weight[9:])
    found = stem.pauses(view)[..., 0]
    assert set(found.mean(dim=1).tolist()) == {0.0, 1.0}, "all of a sample or none"
    assert 340 < int(found[:, 0].sum()) < 380
    assert stem.eval().pauses(view).all()


def test_rotary_positions_tell_distances_alone():
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 1, 1, HEAD, generator=generator)

    def likeness(a, b):
        return (rotated(q, rotation(torch.tensor([[a]]), HEAD)) * rotated(k, rotation(torch.tensor([[b]]), HEAD))).sum()

    assert torch.allclose(likeness(3.0, 10.0), likeness(103.0, 110.0), atol=1e-3)
    assert not torch.allclose(likeness(3.0, 10.0), likeness(3.0, 11.0), atol=1e-3)
    grid = rotation(torch.tensor([[2.0, 5.0], [2.0, 6.0]]), HEAD)
    assert grid[0].shape == (2, 1, HEAD // 2)
    assert torch.equal(grid[0][0, 0, : HEAD // 4], grid[0][1, 0, : HEAD // 4])  # the same row, another column


def test_attention_is_the_formula_read_aloud():
    view = View(ids().x.clamp_min(4), None, vocabulary=40)
    network = made(view)
    block, tokens = network.blocks[0], network.cut(view)
    x = tokens.x[0]
    q, k, v = block.qkv(block.before(x)).view(12, 3, 2, HEAD).unbind(1)
    turn = rotation(tokens.where[0], HEAD)
    q, k = rotated(q, turn), rotated(k, turn)
    heads = [F.softmax(q[:, h] @ k[:, h].T / HEAD**0.5, dim=1) @ v[:, h] for h in range(2)]
    x = x + block.out(torch.cat(heads, dim=1))
    x = x + block.narrow(F.gelu(block.wide(block.between(x))))
    assert torch.allclose(network.layers(tokens)[0][0], x, atol=1e-4)


def test_stages_hold_every_name_once():
    network = made(ids())
    names = [name for stage in network.stages() for name in stage]
    assert sorted(names) == sorted(network.state_dict())


def test_a_grid_gives_its_map():
    view = images()
    network = made(view, patch=4)
    features = network(view)
    assert features.maps[4].shape == (4, network.width, 4, 4)
    assert torch.equal(features.maps[4][1, :, 2, 3], features.tokens[1, 2 * 4 + 3])


def test_frames_of_a_token_hold_what_they_were():
    view = frames()
    network = made(view, patch=4)
    tokens = network.cut(view)
    assert tokens.valid.tolist()[1] == [True, True, True, False, False, False]
    held = network.stem.standardise(view.x[1, 8])
    assert torch.allclose(tokens.target[1, 2, :5], held)
    assert tokens.target[1, 2, 5:].isnan().all()
    assert tokens.where[0, :, 0].tolist() == [0, 1, 2, 3, 4, 5]


def gaps(channels=3):
    """Series of which the first channel has gaps, and the last of one sample no value at all."""
    view = frames(width=channels)
    x = view.x.clone()
    x[0, 4:9, 0] = torch.nan
    x[1, :, channels - 1] = torch.nan
    return View(x, view.valid, torch.arange(22).expand(4, -1))


@pytest.mark.parametrize("revin", [False, True])
def test_channels_apart_are_series_of_one_channel_read_by_the_same_weights(revin):
    view = gaps()
    network = made(view, apart=True, revin=revin)
    found = network(view)
    assert found.pooled.shape == (4, network.dim) == (4, 3 * network.out)
    assert found.tokens.shape == (4, 6, 3 * network.out)
    assert torch.equal(found.where, torch.arange(6.0).expand(4, -1))
    single = made(View(view.x[..., :1], view.valid), revin=revin)
    for channel in range(3):
        own = network.state_dict()
        for name in ("stem.standardise.mean", "stem.standardise.std"):
            own[name] = own[name][channel : channel + 1]
        single.load_state_dict(own)
        x = view.x[..., channel : channel + 1]
        alone = single(View(x, view.valid & ~x.isnan().all(dim=2)))
        side = slice(channel * network.out, (channel + 1) * network.out)
        assert torch.allclose(found.pooled[:, side], alone.pooled, atol=1e-4)
        assert torch.allclose(found.tokens[..., side], alone.tokens, atol=1e-4)


def test_level_and_spread_of_a_series_are_taken_told_and_given_back():
    view = gaps()
    network = made(view, revin=True, apart=True)
    tokens = network.cut(view)
    level, spread = tokens.scale
    held = network.stem.standardise(view.x).where(view.valid[..., None], torch.nan)
    for row in range(4):
        for channel in range(3):
            known = held[row, :, channel]
            known = known[~known.isnan()]
            own = slice(channel * 6, channel * 6 + 6)
            mean = known.mean() if len(known) else torch.tensor(0.0)
            deviation = (known.var(unbiased=False) + 1e-5).sqrt() if len(known) else torch.tensor(1e-5).sqrt()
            assert torch.allclose(level[row, own], mean.expand(6, 4), atol=1e-5)
            assert torch.allclose(spread[row, own], deviation.expand(6, 4), rtol=1e-4)
    inner = (tokens.target - level) / spread
    assert torch.allclose((inner * spread + level).nan_to_num(), tokens.target.nan_to_num(), atol=1e-5)
    network.stem.scale.weight.data.zero_()
    moved = network.cut(View(5 * view.x + 30, view.valid, view.where))
    assert torch.allclose(moved.x[tokens.valid], network.cut(view).x[tokens.valid], atol=2e-2), "all but what is told"
    assert not torch.allclose(moved.target[tokens.valid], tokens.target[tokens.valid], atol=1e-1, equal_nan=True)


def test_a_level_stays_visible():
    view = gaps()
    higher = View(view.x + 3 * view.x.nan_to_num().std(), view.valid, view.where)
    network = made(view, revin=True)
    assert not torch.allclose(network(higher).pooled, network(view).pooled, atol=1e-2)


def test_the_level_of_the_future_is_refused_to_tokens_that_may_not_see_it():
    with pytest.raises(ValueError, match="its future included"):
        Transformer.Config(revin=True, causal=True)
    for view in (ids(), images(), View(torch.rand(2, 8, 160), rate=8_000)):
        with pytest.raises(UsageError, match="are for series"):
            made(view, apart=True)


def test_gradients_are_numbers_where_a_channel_has_no_value():
    view = gaps()
    network = made(view, revin=True, apart=True).train()
    network(view).pooled.square().sum().backward()
    assert all(weight.grad.isfinite().all() for weight in network.parameters())


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", ["at the left", "anywhere", "all", "none"])
def test_samples_of_any_length_are_looked_at_as_if_each_were_alone(kind, causal):
    generator = torch.Generator().manual_seed(0)
    count = torch.tensor([0, 40, 1, 3, 8, 9, 17, 40, 33])[:, None]
    valid = {
        "at the left": torch.arange(40) < count,
        "anywhere": torch.rand(9, 40, generator=generator).argsort(dim=1) < count,
        "all": torch.ones(9, 40, dtype=torch.bool),
        "none": torch.zeros(9, 40, dtype=torch.bool),
    }[kind]
    q, k, v = torch.randn(3, int(valid.sum()), 2, HEAD, generator=generator).requires_grad_().unbind()
    found = Rows(valid, causal).attend(q, k, v)
    alone = [q[:0].flatten(1)]
    for number in range(len(valid)):
        own = torch.repeat_interleave(valid.sum(dim=1)) == number
        heads = [x[own].transpose(0, 1) for x in (q, k, v)]
        alone.append(F.scaled_dot_product_attention(*heads, is_causal=causal).transpose(0, 1).flatten(1))
    assert torch.allclose(found, torch.cat(alone), atol=1e-5)
    weights = torch.randn(found.shape, generator=generator)
    slopes = [
        torch.autograd.grad((each * weights).sum(), q, retain_graph=True)[0] for each in (found, torch.cat(alone))
    ]
    assert torch.allclose(*slopes, atol=1e-5)


def test_few_long_samples_among_short_ones_make_little_padding():
    valid = torch.arange(1_000) < torch.tensor([1_000] + [5] * 200)[:, None]
    rows = Rows(valid, causal=True)
    assert sum(seen.numel() for _, seen in rows.groups) == valid.sum()


class Masked:
    """Attention of all tokens of a batch `[B, L]` to those alone that are seen."""

    def __init__(self, seen):
        self.seen = seen

    def attend(self, query, key, value):
        query, key, value = (x.view(*self.seen.shape, *x.shape[1:]).transpose(1, 2) for x in (query, key, value))
        mask = self.seen[:, None, None].expand(-1, 1, self.seen.shape[1], -1)
        return F.scaled_dot_product_attention(query, key, value, mask).transpose(1, 2).flatten(0, 1).flatten(1)


@pytest.mark.parametrize("view", [ids(), frames(length=44), images()], ids=["ids", "frames", "grid"])
def test_tokens_that_are_left_out_are_as_if_nobody_looked_at_them(view):
    """All tokens computed, with attention to the visible ones: the visible ones come out the same."""
    network = made(view)
    tokens = network.cut(view)
    seen = torch.rand(tokens.valid.shape, generator=torch.Generator().manual_seed(1)) < 0.4
    seen = (seen | (torch.arange(seen.shape[1]) == 1)) & tokens.valid | (tokens.valid.sum(dim=1, keepdim=True) == 1)
    seen = seen & tokens.valid
    found = network.layers(tokens.only(seen))
    x, turn = tokens.x.flatten(0, 1), rotation(tokens.where.flatten(0, 1), HEAD)
    for block, left in zip(network.blocks, (*found[:-1], None), strict=True):
        x = block(x, Masked(seen), turn)
        if left is not None:
            assert torch.allclose(x.view_as(left)[seen], left[seen], atol=1e-5)
    assert torch.allclose(network.norm(x).view_as(tokens.x)[seen], found[-1][seen], atol=1e-5)
    assert not found[-1][~seen].any()


def test_channels_read_apart_are_left_out_each_by_itself():
    view = frames(rows=4, length=22, width=2)
    network = made(view, apart=True)
    tokens = network.cut(view)
    seen = (torch.arange(tokens.valid.shape[1]) % 3 != 1).expand(4, -1) & tokens.valid
    found = network.layers(tokens.only(seen))[-1]
    half = tokens.valid.shape[1] // 2
    for channel in (slice(None, half), slice(half, None)):
        alone = Tokens(*(part[:, channel] for part in (tokens.x, tokens.target, tokens.where, tokens.valid)))
        assert torch.allclose(network.layers(alone.only(seen[:, channel]))[-1], found[:, channel], atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"causal": True}, {"apart": True}], ids=str)
def test_registers_are_tokens_before_all_others_that_nothing_reads(settings):
    """Darcet et al. 2024: the same network, told of them by hand."""
    view = frames(width=2)
    with_them = made(view, size="micro", registers=3, **settings)
    plain = made(view, size="micro", **settings)
    plain.load_state_dict({name: value for name, value in with_them.state_dict().items() if name != "registers"})
    tokens = plain.cut(view)
    each = len(tokens.valid) * tokens.rows
    rows = replace(
        tokens,
        x=torch.cat([with_them.registers.expand(each, 3, -1), tokens.x.view(each, -1, 64)], dim=1),
        valid=torch.cat([torch.ones(each, 3, dtype=torch.bool), tokens.valid.view(each, -1)], dim=1),
        where=torch.cat([torch.zeros(each, 3, 1), tokens.where.view(each, -1, 1)], dim=1),
        rows=1,
    )
    found = with_them.layers(tokens)
    assert len(found) == 2
    for layer, naive in zip(found, plain.layers(rows), strict=True):
        assert torch.allclose(layer, naive[:, 3:].reshape(layer.shape), atol=1e-5)
    assert not torch.allclose(with_them(view).pooled, plain(view).pooled, atol=1e-3)
    assert with_them.dim == plain.dim == with_them(view).pooled.shape[1]
    assert sum(map(len, with_them.stages())) == len(with_them.state_dict())


@pytest.mark.parametrize("registers", [0, 2])
@pytest.mark.parametrize("padded", [False, True])
def test_what_is_known_is_seen_by_all_and_the_rest_by_what_comes_later(padded, registers):
    """All known is both sides, nothing known is causal (but for registers, which see one another in any case); in
    between, as the mask of the authors of AIM has it."""
    view = ids() if padded else View(ids().x.clamp_min(4), None, vocabulary=40)
    both, past = (made(view, causal=causal, registers=registers) for causal in (False, True))
    tokens = both.cut(view)
    none = torch.zeros_like(tokens.valid)
    for network, known in ((both, ~none), (past, none))[: 1 if registers else 2]:
        assert torch.allclose(both.layers(replace(tokens, known=known))[-1], network.layers(tokens)[-1], atol=1e-5)
    known = torch.arange(12) < 2
    seen = (known[None] | torch.ones(12, 12).tril().bool())[None] & tokens.valid[:, None]
    for changed in range(3):
        x = tokens.x.clone()
        x[:, changed] *= -1
        states, others = (
            both.layers(replace(each, known=known.expand(4, -1)))[-1] for each in (tokens, tokens.with_x(x))
        )
        differ = (states - others).abs().amax(dim=2) > 1e-5
        assert torch.equal(differ, seen[:, :, changed] & tokens.valid)
