import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit.core import Draws, Progress, View, concatenate


@given(
    seed=st.integers(0, 2**31),
    epoch=st.integers(0, 10_000),
    index=st.lists(st.integers(0, 2**40), min_size=2, max_size=20, unique=True),
    view=st.integers(0, 20),
)
@settings(max_examples=50, deadline=None)
def test_a_samples_numbers_do_not_depend_on_its_batch(seed, epoch, index, view):
    rows = torch.tensor(index)
    together = Draws.of(seed, epoch, rows, view)
    alone = Draws.of(seed, epoch, rows[1:2], view)
    for _ in range(3):
        assert torch.equal(together.uniform(shape=(4,))[1:2], alone.uniform(shape=(4,)))
    assert torch.equal(together.normal((2, 3))[1:2], alone.normal((2, 3)))


def test_numbers_are_uniform_and_independent():
    rows = torch.arange(2000)
    table = torch.stack(
        [Draws.of(seed, epoch, rows, view).uniform() for seed in (0, 1) for epoch in (0, 1, 2) for view in (0, 1)]
    )
    assert table.min() >= 0
    assert table.max() < 1
    ordered = table.flatten().sort().values
    gap = (ordered - torch.linspace(0, 1, len(ordered))).abs().max()
    assert gap < 1.63 / math.sqrt(len(ordered))  # Kolmogorov and Smirnov at 1 %
    correlation = torch.corrcoef(table) - torch.eye(len(table))
    assert correlation.abs().max() < 4.5 / math.sqrt(2000)
    neighbours = torch.corrcoef(torch.stack([table[0, :-1], table[0, 1:]]))[0, 1]
    assert neighbours.abs() < 4 / math.sqrt(2000)


def test_normal_numbers_have_the_moments_of_a_normal():
    z = Draws.of(3, 0, torch.arange(500), 0).normal((40,)).flatten().double()
    assert z.isfinite().all()
    assert z.mean().abs() < 0.03
    assert (z.std() - 1).abs() < 0.03
    assert (z.pow(4).mean() - 3).abs() < 0.2


def test_coins_are_fair_differ_by_sample_and_place_and_do_not_repeat_numbers():
    draws = Draws.of(0, 0, torch.arange(500), 0)
    coins = draws.coins(130)
    assert coins.shape == (500, 130)
    assert coins.dtype == torch.bool
    assert (coins.float().mean(dim=0) - 0.5).abs().max() < 0.12
    assert (coins.float().mean() - 0.5).abs() < 0.01
    correlation = torch.corrcoef(coins.float().T).fill_diagonal_(0)
    assert correlation.abs().max() < 0.25
    assert not torch.equal(coins, draws.coins(130))
    assert torch.equal(coins[:, :70], Draws.of(0, 0, torch.arange(500), 0).coins(70))


def test_successive_draws_differ_and_integers_cover_their_range():
    draws = Draws.of(0, 0, torch.arange(1000), 0)
    assert not torch.equal(draws.uniform(), draws.uniform())
    assert set(draws.integers(5).tolist()) == set(range(5))
    assert 0.2 < draws.chance(0.25).float().mean() < 0.3


def test_the_views_of_a_sample_share_numbers_that_are_no_view_s_own():
    rows = torch.arange(100)
    first, second = (Draws.of(1, 2, rows, view) for view in (0, 1))
    own = first.uniform()
    assert torch.equal(first.shared().uniform(), second.shared().uniform())
    assert (first.view, second.view) == (0, 1)
    for other in (own, second.uniform(), Draws.of(1, 3, rows, 0).shared().uniform()):
        assert not torch.isclose(first.shared().uniform(), other).any()
    alone = Draws.of(1, 2, rows[7:8], 5).shared().uniform()
    assert torch.equal(alone, first.shared().uniform()[7:8])


def test_some_samples_of_a_view_keep_all_that_belongs_to_them():
    view = View(torch.rand(5, 2), torch.rand(5, 3) > 0.5, torch.rand(5, 3), torch.arange(5))
    for rows in (slice(1, 4), torch.tensor([3, 0, 3]), torch.tensor([True, False, True, False, False])):
        some = view[rows]
        for name in ("x", "valid", "where", "index"):
            assert torch.equal(getattr(some, name), getattr(view, name)[rows])
    assert view[:2].with_x(view.x[:2]).index.tolist() == [0, 1]
    assert View(view.x)[:2].valid is None


def test_streams_from_torch_s_generator_repeat_with_its_seed():
    torch.manual_seed(4)
    first, other = Draws.fresh(3, torch.device("cpu")).uniform(), Draws.fresh(3, torch.device("cpu")).uniform()
    torch.manual_seed(4)
    assert torch.equal(Draws.fresh(3, torch.device("cpu")).uniform(), first)
    assert not torch.equal(first, other)


def test_progress_runs_from_zero_to_one():
    assert [Progress(step, 4).fraction for step in range(5)] == [0, 0.25, 0.5, 0.75, 1]
    assert Progress(0, 0).fraction == 0


def test_concatenate_keeps_every_member():
    view = View(torch.rand(2, 3), torch.ones(2, 3, dtype=torch.bool), torch.zeros(2, 3), torch.tensor([4, 5]))
    both = concatenate([view, view])
    assert len(both) == 4
    assert both.index.tolist() == [4, 5, 4, 5]
    assert both.valid.shape == both.where.shape == (4, 3)
    words = replace(view, vocabulary=9, stops=(7,))
    assert (concatenate([words, words]).vocabulary, concatenate([words, words]).stops) == (9, (7,))
    waves = replace(view, rate=8_000)
    assert concatenate([waves, waves]).rate == waves[:1].rate == waves.to("cpu").rate == 8_000


def test_concatenate_refuses_to_lose_padding():
    padded = View(torch.rand(1, 3), valid=torch.ones(1, 3, dtype=torch.bool))
    with pytest.raises(AssertionError):
        concatenate([padded, View(torch.rand(1, 3))])
