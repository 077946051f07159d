"""Which values are hidden, and what stands between those that are not."""

from itertools import groupby

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit.evaluation.imputation import answers, around, hidden, line


@pytest.mark.parametrize("share", [0.125, 0.25, 0.5])
def test_runs_are_geometric_and_hide_the_share_that_was_asked_for(share):
    found = hidden(torch.ones(60_000, 2, dtype=torch.bool), share)
    assert found.float().mean(0).tolist() == pytest.approx([share, share], abs=0.02)
    lengths = np.array([len(list(run)) for is_hidden, run in groupby(found[:, 0].tolist()) if is_hidden])
    assert lengths.mean() == pytest.approx(3, rel=0.05)
    assert (lengths > 3).mean() == pytest.approx((2 / 3) ** 3, abs=0.02)
    assert not torch.equal(found[:, 0], found[:, 1]), "channel by channel"


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 50), st.integers(0, 1_000), st.floats(0.05, 0.7))
def test_what_is_missing_is_not_hidden(steps, seed, share):
    known = torch.rand(steps, 3, generator=torch.Generator().manual_seed(seed)) < 0.6
    found = hidden(known, share, seed=seed)
    assert found.shape == known.shape
    assert not (found & ~known).any()
    assert torch.equal(found, hidden(known, share, seed=seed))


def test_lines_are_drawn_within_a_series():
    nan = torch.nan
    x = torch.tensor([[nan, 1.0, nan, nan, 4.0, nan, 7.0, nan, nan]]).T
    assert line(x, [6, 9]).flatten().tolist() == [1, 1, 2, 3, 4, 4, 7, 7, 7]
    assert line(torch.full((3, 1), nan), [3]).flatten().tolist() == [0, 0, 0]


def test_what_is_around_ends_with_the_series():
    x = torch.arange(6.0)[:, None]
    begins, ends = torch.tensor([0, 0, 0, 0, 4, 4]), torch.tensor([4, 4, 4, 4, 6, 6])
    found = around(x, begins, ends, 2)
    assert found[1, 0].tolist() == [0, 0, 1, 2, 3]
    assert found[3, 0].tolist() == [1, 2, 3, 3, 3]
    assert found[4, 0].tolist() == [4, 4, 4, 5, 5]


def test_answers_are_those_of_a_ridge_regression():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(400, 3, generator=generator)
    targets = features @ torch.tensor([1.0, -2.0, 0.5]) + 3
    rows = torch.arange(400)
    found = answers(features, targets, rows[:200], rows[200:300])
    assert torch.allclose(found, targets, atol=1e-2)
