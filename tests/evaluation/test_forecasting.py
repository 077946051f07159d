"""Forecasts without and with a ridge regression, periods, and intervals over forecasts that overlap."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit.evaluation.forecasting import (
    _differences,
    carried,
    errors,
    in_blocks,
    lagged,
    last_value,
    origins,
    period,
    ridge,
    ridge_by_channel,
    seasonal,
)

NONE = torch.nan


def of_one(count):
    return torch.zeros(count, dtype=torch.long)


def drawn(count=300, channels=2, width=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator), torch.randn(count, channels, generator=generator)


def test_forecasts_start_one_step_before_their_span_and_end_with_it():
    begins = torch.tensor([0] * 10 + [10] * 10)
    assert origins([(0, 5)], begins, 2).tolist() == [0, 1, 2], "a series has no step in front of its first"
    assert origins([(5, 10)], begins, 2).tolist() == [4, 5, 6, 7]
    assert origins([(5, 10), (10, 14)], begins, 3).tolist() == [4, 5, 6, 10]
    assert origins([(5, 8)], begins, 4).tolist() == []


@given(st.integers(1, 6), st.integers(2, 12), st.integers(0, 5))
def test_each_forecast_of_a_span_has_its_steps_inside(horizon, length, start):
    found = origins([(start, start + length)], of_one(20), horizon)
    steps = found[:, None] + 1 + torch.arange(horizon)
    assert ((steps >= start) & (steps < start + length)).all()
    assert len(found) == max(0, length - horizon + (1 if start else 0))


def test_errors_are_sums_over_what_is_known():
    values = torch.tensor([[0.0], [1.0], [NONE], [3.0], [5.0]])
    found = errors(last_value(values, of_one(5), 2), values, torch.tensor([0, 1, 2]), 2)
    assert found.tolist() == [[1, 4, 20], [1, 2, 6], [1, 1, 2]]


def test_what_is_missing_is_carried_within_its_series_alone():
    values = torch.tensor([[NONE], [1.0], [NONE], [NONE], [4.0]])
    assert carried(values, torch.tensor([0, 0, 0, 3, 3])).ravel().tolist() == [0, 1, 1, 0, 4]


def test_a_season_ago():
    values = torch.arange(12.0)[:, None]
    found = seasonal(values, of_one(12), 5, 3)(torch.tensor([1, 6]))
    assert found[1].ravel().tolist() == [4, 5, 6, 4, 5]
    assert found[0].ravel().tolist() == [1, 0, 1, 1, 0], "where there was no season yet, the last value"
    gone = values.clone()
    gone[5] = NONE
    assert seasonal(gone, of_one(12), 5, 3)(torch.tensor([6]))[0].ravel().tolist() == [4, 6, 6, 4, 6]


def test_lags_are_the_newest_first_and_repeat_the_first_value():
    values = torch.tensor([[0.0, 5.0], [1.0, 6.0], [2.0, 7.0]])
    assert lagged(values, of_one(3), 2)[2].tolist() == [[2, 1], [7, 6]]
    assert lagged(values, of_one(3), 3)[1].tolist() == [[1, 0, 0], [6, 5, 5]]


def test_the_ridge_is_the_one_of_the_normal_equations():
    features, values = drawn()
    train, val, horizon = torch.arange(200), torch.arange(200, 290), 3
    forecast, penalty = ridge(features, values, train, val, horizon)
    x = features[train].double()
    y = torch.stack([values[train + ahead] for ahead in (1, 2, 3)], dim=1).flatten(1).double()
    variance = x.var(0, correction=0)
    scale = variance.sqrt() + 0.3 * variance.mean().sqrt()
    scale = scale * (variance / scale.square()).sum().sqrt()
    z = (x - x.mean(0)) / scale
    weights = torch.linalg.solve(z.T @ z + penalty * 200 * torch.eye(5), z.T @ (y - y.mean(0)))
    expected = ((features[val].double() - x.mean(0)) / scale) @ weights + y.mean(0)
    assert torch.allclose(forecast(val).flatten(1).double(), expected, atol=1e-5)


def test_it_is_scikit_learns_ridge():
    linear_model = pytest.importorskip("sklearn.linear_model")
    features, values = drawn(width=4)
    train, val = torch.arange(200), torch.arange(200, 290)
    forecast, penalty = ridge(features, values, train, val, 2)
    variance = features[train].var(0, correction=0)
    scale = variance.sqrt() + 0.3 * variance.mean().sqrt()
    scale = scale * (variance / scale.square()).sum().sqrt()
    y = torch.cat([values[train + 1], values[train + 2]], dim=1).double().numpy()
    known = linear_model.Ridge(alpha=penalty * 200).fit((features[train] / scale).double().numpy(), y)
    expected = known.predict((features[val] / scale).double().numpy())
    assert np.allclose(forecast(val).flatten(1).numpy(), expected, atol=1e-5)


def test_missing_targets_count_nowhere_in_the_fit():
    """Output by output it is the ridge on the rows where that output is known."""
    features, values = drawn(width=3, channels=1)
    features = features - features[:200].mean(0)
    lost = torch.rand(len(values), generator=torch.Generator().manual_seed(1)) < 0.2
    values[lost] = NONE
    train, val = torch.arange(200), torch.arange(200, 290)
    forecast, penalty = ridge(features, values, train, val, 2)
    variance = features[train].var(0, correction=0)
    scale = variance.sqrt() + 0.3 * variance.mean().sqrt()
    z = (features / (scale * (variance / scale.square()).sum().sqrt())).double()
    z = torch.cat([z, torch.ones(len(z), 1)], dim=1)
    for ahead in (0, 1):
        y = values[train + ahead + 1, 0].double()
        known = ~y.isnan()
        x = z[train][known]
        bound = x.T @ x + penalty * 200 * torch.diag(torch.tensor([1.0, 1.0, 1.0, 0.0]).double())
        expected = z[val] @ torch.linalg.solve(bound, x.T @ y[known])
        assert torch.allclose(forecast(val)[:, ahead, 0].double(), expected, atol=2e-3)


def test_the_penalty_is_chosen_on_what_comes_later():
    """Noise asks for the strongest penalty, a law without noise for a weak one."""
    features, noise = drawn(width=40)
    strong = ridge(features, noise, torch.arange(200), torch.arange(200, 290), 1)[1]
    law = torch.cat([torch.zeros(1, 1), features[:-1, :1]])
    weak = ridge(features, law, torch.arange(200), torch.arange(200, 290), 1)[1]
    assert strong > 0.1
    assert weak < 1e-4


def test_each_channel_has_its_own_map_of_its_own_lags():
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(400, generator=generator)
    second = torch.zeros(400)
    for step in range(2, 400):
        second[step] = 0.9 * second[step - 2] + 0.1 * first[step]
    values = torch.stack([first, second], dim=1)
    forecast, penalties = ridge_by_channel(
        lagged(values, of_one(400), 3), values, torch.arange(250), torch.arange(250, 320), 1
    )
    off = errors(forecast, values, torch.arange(320, 390), 1)
    assert off[0].mean() < 1.5
    assert (forecast(torch.arange(320, 390))[:, 0, 1] - 0.9 * second[319:389]).abs().mean() < 0.05
    assert penalties[0] > penalties[1]


def wave(count, length, noise=0.3, channels=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(count)[:, None] + torch.rand(1, channels, generator=generator) * length
    return torch.sin(2 * math.pi * time / length) + noise * torch.randn(count, channels, generator=generator)


@pytest.mark.parametrize("length", [2, 7, 24, 50])
@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_a_period_is_found_also_between_gaps_and_in_several_stretches(length, noise):
    values = wave(1500, length, noise)
    assert period(values, [(0, 1500)]) == length
    values[torch.rand(1500, generator=torch.Generator().manual_seed(2)) < 0.1] = NONE
    assert period(values, [(0, 700), (700, 1500)]) == length


def test_a_day_is_found_below_a_week():
    week = wave(2000, 24, noise=0.1, channels=1) + 0.5 * wave(2000, 168, noise=0.0, channels=1)
    assert period(week, [(0, 2000)]) == 24


@pytest.mark.parametrize("seed", range(10))
def test_random_walks_noise_and_lines_have_no_period(seed):
    generator = torch.Generator().manual_seed(seed)
    walk = torch.randn(2000, 1, generator=generator).cumsum(0)
    assert period(walk, [(0, 2000)]) is None
    assert period(walk[:8], [(0, 8)]) is None
    assert period(torch.randn(300, 1, generator=generator), [(0, 300)]) is None
    assert period(torch.arange(100.0)[:, None], [(0, 100)]) is None
    assert period(torch.ones(100, 1), [(0, 100)]) is None


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(0.0, 0.5))
def test_differences_are_those_of_all_pairs_that_are_known(seed, gaps):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(12, 2, generator=generator)
    x[torch.rand(12, 2, generator=generator) < gaps] = NONE
    total, pairs = _differences(x, [(0, 5), (5, 12)], 4, 20)
    for lag in range(5):
        apart = torch.cat([part[lag:] - part[: len(part) - lag] for part in (x[:5], x[5:])]).square()
        assert torch.allclose(total[lag], apart.nansum(0).double(), atol=1e-4)
        assert torch.allclose(pairs[lag], (~apart.isnan()).sum(0).double(), atol=1e-6)


def test_blocks_of_one_are_the_bootstrap_and_keep_totals_in_the_mean():
    generator = torch.Generator().manual_seed(0)
    sums = torch.rand(1, 400, generator=generator).double()
    found = in_blocks(sums, [400], 1, resamples=4000)[0] / 400
    assert found.mean().item() == pytest.approx(sums.mean().item(), abs=1e-3)
    assert found.std().item() == pytest.approx(sums.std(correction=0).item() / 20, rel=0.05)


def test_blocks_cover_what_hangs_together():
    """Means of runs of ten equal numbers: drawn one by one the interval is about the root of ten too narrow."""
    generator = torch.Generator().manual_seed(0)
    sums = torch.rand(1, 200, generator=generator).double().repeat_interleave(10, dim=1)
    alone, together = (in_blocks(sums, [2000], block)[0].std().item() for block in (1, 40))
    assert 2.4 < together / alone < 3.6


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(1, 40))
def test_a_constant_is_the_same_in_all_blocks_whose_stretches_are_alike(sizes, block):
    ones = torch.ones(2, sum(sizes)).double()
    found = in_blocks(ones, sizes, block, resamples=20)
    assert torch.equal(found[0], found[1])
    assert (found >= 1).all()
    whole = in_blocks(ones, [sum(sizes)], sum(sizes) + block, resamples=20)
    assert (whole == sum(sizes)).all(), "a block that is longer than all is all"
