import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tacit.core import Draws, Tokens
from tacit.nn.masking import covered, hidden


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
