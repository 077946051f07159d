import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tacit.core import Draws, Tokens
from tacit.nn.masking import LEAST, beginning, block, blocks, covered, hidden, hidden_of, one_seen


def draws(rows, seed=0):
    return Draws.of(seed, 0, torch.arange(rows), 0)


@given(st.floats(0.01, 0.95), st.integers(1, 6), st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_some_valid_tokens_are_hidden_and_nothing_else(share, span, lengths):
    valid = torch.arange(40) < torch.tensor(lengths)[:, None]
    hide = hidden(valid, share, span, draws(len(lengths)))
    assert not (hide & ~valid).any()
    count = hide.sum(dim=1)
    assert (count >= 1).all()
    if span == 1:
        assert torch.equal(count, (share * valid.sum(dim=1)).ceil().clamp_min(1).long())
    assert (count <= ((share * valid.sum(dim=1) / span).ceil().clamp_min(1) * span)).all()


def test_runs_are_as_long_as_asked():
    hide = hidden(torch.ones(200, 60, dtype=torch.bool), 0.05, 10, draws(200))
    assert (hide.sum(dim=1) <= 10).all()
    inner = [row.nonzero().flatten() for row in hide]
    assert all(int(run[-1] - run[0]) == len(run) - 1 for run in inner)
    assert max(len(run) for run in inner) == 10


def test_geometric_runs_have_the_mean_and_the_share_that_are_asked_for():
    hide = hidden(torch.ones(300, 400, dtype=torch.bool), 0.15, 3, draws(300), geometric=True)
    assert float(hide.float().mean()) == pytest.approx(0.15, abs=0.01)
    starts = hide[:, 1:] & ~hide[:, :-1]
    assert float(hide[:, 1:].sum() / starts.sum()) == pytest.approx(3, abs=0.15)
    ends = hide[:, 1:-1] & ~hide[:, 2:]
    assert float(ends.sum() / hide[:, 1:-1].sum()) == pytest.approx(1 / 3, abs=0.02), "memoryless"
    alone = ends & ~hide[:, :-2]
    assert float(alone.sum() / starts.sum()) == pytest.approx(1 / 3, abs=0.02), "of lengths 1, 2, 3, ..."


@given(st.floats(0.01, 0.95), st.integers(1, 6), st.lists(st.integers(1, 40), min_size=2, max_size=6), st.booleans())
def test_each_sequence_of_a_sample_is_hidden_by_itself(share, span, lengths, geometric):
    """Gaps count for nothing: a run goes on behind them."""
    each = (torch.arange(40) < torch.tensor(lengths)[:, None]) & (torch.arange(40) % 5 != 3)
    valid = each.flatten()[None].repeat(3, 1)
    hide = hidden(valid, share, span, draws(3), rows=len(lengths), geometric=geometric)
    assert not (hide & ~valid).any()
    assert (hide.view(3 * len(lengths), 40).sum(dim=1) >= 1).all()


def test_of_the_hidden_most_are_masked_some_changed_some_kept():
    x = torch.arange(64 * 100 * 2.0).view(64, 100, 2)
    valid = torch.ones(64, 100, dtype=torch.bool)
    valid[:, 90:] = False
    tokens = Tokens(x, torch.zeros(64, 100).long(), torch.zeros(64, 100, 1), valid)
    hide = hidden(valid, 0.5, 1, draws(64))
    mask = torch.tensor([-1.0, -2.0])
    seen = covered(tokens, hide, mask, 0.1, 0.2, draws(64, seed=1)).x
    assert torch.equal(seen[~hide], x[~hide])
    masked = (seen == mask).all(dim=2)
    kept = (seen == x).all(dim=2) & hide
    changed = hide & ~masked & ~kept
    for part, share in ((masked, 0.7), (kept, 0.2), (changed, 0.1)):
        assert abs(float(part.sum() / hide.sum()) - share) < 0.03
    real = {tuple(row) for row in x[valid].tolist()}
    assert {tuple(row) for row in seen[changed].tolist()} <= real


def sequences(valid, rows=1):
    """Tokens of nothing, `valid [B, rows L]` of them."""
    where = torch.arange(valid.shape[1] // rows).repeat(rows)[None, :, None].expand(len(valid), -1, 1)
    return Tokens(torch.zeros(*valid.shape, 2), torch.zeros(valid.shape), where.float(), valid, rows=rows)


def grid(rows, height, width):
    where = torch.cartesian_prod(torch.arange(height), torch.arange(width)).float().expand(rows, -1, 2)
    valid = torch.ones(rows, height * width, dtype=torch.bool)
    return Tokens(torch.zeros(*valid.shape, 2), torch.zeros(valid.shape), where, valid)


def test_a_grid_is_hidden_in_squares():
    hide = hidden_of(grid(100, 6, 8), 0.5, 2, draws(100)).view(100, 3, 2, 4, 2)
    assert torch.equal(hide, hide[:, :, :1, :, :1].expand_as(hide))
    assert (hide[:, :, 0, :, 0].sum(dim=(1, 2)) == 6).all()
    assert hide.float().mean(dim=0).std() < 0.1, "each as often"
    odd = hidden_of(grid(4, 5, 7), 0.99, 3, draws(4))
    assert odd.all(), "squares at the edges are smaller"
    single = hidden_of(grid(4, 5, 7), 0.5, 1, draws(4))
    assert torch.equal(single, hidden(torch.ones(4, 35, dtype=torch.bool), 0.5, 1, draws(4)))


@given(st.lists(st.integers(0, 12), min_size=2, max_size=6), st.floats(0.5, 0.99))
def test_something_is_seen_of_whatever_is_more_than_one_token(lengths, share):
    valid = (torch.arange(12) < torch.tensor(lengths)[:, None]).flatten()[None].repeat(3, 1)
    tokens = sequences(valid, rows=len(lengths))
    hide = hidden(valid, share, 3, draws(3), rows=len(lengths))
    left = one_seen(hide, tokens, draws(3, seed=1))
    assert not (left & ~hide).any()
    before, after, each = (x.view(-1, 12).sum(dim=1) for x in (hide, left, valid))
    assert torch.equal(after, torch.where((before == each) & (each > 1), before - 1, before))


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.floats(0.05, 0.9))
def test_a_block_of_a_sequence_is_one_run(lengths, share):
    valid = (torch.arange(40) < torch.tensor(lengths)[:, None]).flatten()[None].repeat(3, 1)
    found = block(sequences(valid, rows=len(lengths)), (share, share), (1.0, 1.0), draws(3)).view(3, len(lengths), 40)
    for sample in found:
        for run, length in zip(sample, lengths, strict=True):
            places = run.nonzero().flatten()
            assert len(places) == min(length, max(1, round(share * length)))
            assert len(places) == 0 or int(places[-1] - places[0]) == len(places) - 1
            assert len(places) == 0 or int(places[-1]) < length


def test_runs_lie_anywhere():
    found = block(sequences(torch.ones(600, 10, dtype=torch.bool)), (0.5, 0.5), (1.0, 1.0), draws(600))
    first = found.int().argmax(dim=1).bincount(minlength=6)
    assert len(first) == 6
    assert (first > 60).all()


def test_a_block_of_a_grid_is_a_rectangle_of_the_share_and_shape_that_are_asked_for():
    found = block(grid(400, 16, 16), (0.15, 0.2), (0.75, 1.5), draws(400)).view(400, 16, 16)
    down, across = found.any(dim=2), found.any(dim=1)
    assert torch.equal(found, down[:, :, None] & across[:, None])
    height, width = down.sum(dim=1), across.sum(dim=1)
    area, shape = (height * width / 256).tolist(), (height / width).tolist()
    assert 0.12 < min(area) < max(area) < 0.24
    assert sum(area) / 400 == pytest.approx(0.175, abs=0.005)
    assert 0.6 < min(shape) < 0.85 < 1.3 < max(shape) < 1.8
    for side in (down, across):
        places = side.int()
        assert (places.diff(dim=1).abs().sum(dim=1) + places[:, 0] + places[:, -1] == 2).all(), "of one piece"
        assert places[:, 0].any(), "up to the edges"
        assert places[:, -1].any(), "up to the edges"
    assert block(grid(3, 1, 1), (0.15, 0.2), (0.75, 1.5), draws(3)).all()


@pytest.mark.parametrize("geometric", [False, True])
def test_what_is_hidden_of_a_sample_does_not_depend_on_longer_ones_in_the_batch(geometric):
    def fate(length):
        """Of two sequences of six tokens, in a batch that is as long as the third one."""
        valid = torch.arange(length) < torch.tensor([6, 6, length])[:, None]
        tokens, drawn = sequences(valid), draws(3)
        hide = one_seen(hidden_of(tokens, 0.4, 1, drawn, geometric=geometric), tokens, drawn)
        seen = covered(tokens, hide, torch.ones(2), 0.0, 0.4, drawn).x
        return torch.cat([hide[:2, :6, None], seen[:2, :6]], dim=2)

    assert torch.equal(fate(6), fate(7))
    assert torch.equal(fate(6), fate(50))


def test_several_blocks_of_a_grid_hide_about_the_share_and_are_no_less_than_a_block():
    hide = blocks(grid(400, 14, 14), 0.4, draws(400)).view(400, 14, 14)
    shares = hide.float().mean(dim=(1, 2))
    assert shares.max() <= 0.4
    assert 0.33 < float(shares.mean()) < 0.4
    assert shares.min() > LEAST
    alone = hide & ~_beside(hide)
    assert float(alone.sum() / hide.sum()) < 0.01, "neighbours are hidden together"
    assert hide.float().mean(dim=0).min() > 0.01, "up to the corners"


def _beside(hide):
    """Which cells have a hidden neighbour above, below, left or right."""
    padded = torch.nn.functional.pad(hide, (1, 1, 1, 1))
    return padded[:, :-2, 1:-1] | padded[:, 2:, 1:-1] | padded[:, 1:-1, :-2] | padded[:, 1:-1, 2:]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.floats(0.05, 0.9))
def test_blocks_of_each_sequence_hide_no_more_than_the_share_and_one_token_at_least(lengths, share):
    valid = (torch.arange(40) < torch.tensor(lengths)[:, None]).flatten()[None].repeat(3, 1)
    found = blocks(sequences(valid, rows=len(lengths)), share, draws(3))
    assert not (found & ~valid).any()
    count = found.view(3, len(lengths), 40).sum(dim=2)
    length = torch.tensor(lengths)
    assert (count >= length.clamp_max(1)).all()
    assert (count <= (share * length).floor().clamp_min(1)).all()


def test_a_beginning_has_from_one_to_all_but_one_token_each_as_likely():
    valid = torch.arange(7) < torch.tensor([[6], [2], [1], [0]]).repeat(600, 1)
    found = beginning(sequences(valid), draws(2400))
    count = found.sum(dim=1).view(600, 4)
    assert torch.equal(found, torch.arange(7) < found.sum(dim=1, keepdim=True)), "the first ones"
    assert count[:, 0].bincount(minlength=7)[1:6].min() > 80
    assert set(count[:, 0].tolist()) == {1, 2, 3, 4, 5}
    assert (count[:, 1:] == torch.tensor([1, 1, 0])).all()
