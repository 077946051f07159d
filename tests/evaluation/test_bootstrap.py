"""Intervals cover what they promise."""

from __future__ import annotations

import pytest
import torch

from tacit.evaluation import bootstrap
from tacit.evaluation.bootstrap import Scoring, difference, interval


def test_covers_the_truth_about_as_often_as_promised() -> None:
    generator = torch.Generator().manual_seed(0)
    covered = 0
    for number in range(200):
        correct = torch.rand(1, 150, generator=generator) < 0.8
        around = interval(correct, resamples=500, seed=number)
        covered += around.low <= 0.8 <= around.high
    assert 0.90 <= covered / 200 <= 0.99


def test_covers_when_draws_matter_too_and_would_not_without_resampling_them() -> None:
    generator = torch.Generator().manual_seed(0)
    both = samples_only = 0
    for number in range(300):
        draw = 0.5 * torch.randn(20, 1, generator=generator)
        sample = torch.randn(1, 60, generator=generator)
        correct = (torch.rand(20, 60, generator=generator) < (draw + sample).sigmoid()).double()
        around = interval(correct, resamples=300, seed=number)
        narrow = interval(correct.mean(0, keepdim=True), resamples=300, seed=number)
        both += around.low <= 0.5 <= around.high  # the truth is one half by symmetry
        samples_only += narrow.low <= 0.5 <= narrow.high
    assert 0.91 <= both / 300 <= 0.985
    assert samples_only / 300 < 0.88


def test_a_pair_is_told_apart_where_single_intervals_overlap() -> None:
    generator = torch.Generator().manual_seed(0)
    hard = torch.rand(1, 400, generator=generator) < 0.7
    worse = hard.clone()
    worse[0, torch.nonzero(hard[0])[:16, 0]] = False
    assert interval(worse).high > interval(hard).low
    assert difference(hard, worse).low > 0


def test_same_seed_same_interval_and_a_stricter_level_is_wider() -> None:
    correct = torch.rand(5, 80, generator=torch.Generator().manual_seed(0)) < 0.6
    usual, strict = interval(correct), interval(correct, level=0.99)
    assert interval(correct) == usual
    assert strict.low < usual.low < usual.value < usual.high < strict.high
    assert usual.value == pytest.approx(correct.double().mean().item())


@pytest.mark.parametrize("units", [None, torch.arange(300) // 3])
def test_what_is_kept_of_one_interval_changes_no_other(
    units: torch.Tensor | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    correct = torch.rand(4, 300, generator=generator) < 0.6
    scoring = Scoring(torch.randint(3, (300,), generator=generator), units=units)
    first, again = interval(correct, scoring), interval(correct, scoring)
    other = interval(~correct, scoring)
    monkeypatch.setattr(bootstrap, "_KEPT", 0)
    assert first == again == interval(correct, scoring)
    assert other == interval(~correct, scoring)
    assert interval(correct, scoring, seed=1) != first


def test_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    interval(torch.ones(2, 10))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_pieces_of_one_sample_are_resampled_together() -> None:
    generator = torch.Generator().manual_seed(0)
    wholes = (torch.rand(3, 24, generator=generator) < 0.7).double()
    units = torch.arange(24).repeat_interleave(5) * 7
    pieces = wholes.repeat_interleave(5, dim=1)
    told, known = interval(pieces, Scoring(units=units)), interval(wholes)
    assert [told.value, told.low, told.high] == pytest.approx([known.value, known.low, known.high])
    alone = interval(pieces)
    assert alone.high - alone.low < 0.7 * (told.high - told.low), "as if they were 120 observations"


def test_samples_of_many_pieces_weigh_as_many() -> None:
    units = torch.tensor([0] * 90 + [1] * 10)
    correct = torch.cat([torch.ones(1, 90), torch.zeros(1, 10)], dim=1)
    around = interval(correct, Scoring(units=units))
    assert around.value == pytest.approx(0.9)
    assert (around.low, around.high) == (0, 1), "one of the two may be drawn twice"
