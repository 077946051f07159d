"""Intervals, differences and a verdict for measures that are no mean over samples."""

import pytest
import torch

from tacit.evaluation.bootstrap import interval
from tacit.evaluation.resampled import Resampled, compare, sample_weights

WEIGHTS = sample_weights(80)
DECIDING = {"share, 10 samples": "10 labelled samples", "share, all samples": "all labelled samples"}


def correctness(share, seed):
    return (torch.rand(3, 80, generator=torch.Generator().manual_seed(seed)) < share).double()


def row(name, kind, right, metric="share, 10 samples"):
    """A measure that is a mean after all, so that the answer is known: `right [S, M]`."""
    return Resampled(name, kind, metric, right.mean(1), right @ WEIGHTS.T / 80, {"seen": 80})


def test_a_resample_is_as_large_as_the_set():
    assert WEIGHTS.shape == (2000, 80)
    assert (WEIGHTS.sum(1) == 80).all()
    assert torch.equal(WEIGHTS, sample_weights(80))
    assert not torch.equal(WEIGHTS, sample_weights(80, seed=1))


def test_of_a_mean_it_gives_the_interval_of_the_bootstrap():
    right = correctness(0.7, 0)
    found = compare("t", [row("own", "encoder", right), row("floor", "scratch", correctness(0.5, 1))],
                    {"share, 10 samples": "10"}).results[0]  # fmt: skip
    known = interval(right)
    assert found.value == pytest.approx(known.value)
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=0.015)
    assert found.protocol["values"] == right.mean(1).tolist()
    assert found.protocol["seen"] == 80


def test_rows_are_compared_on_the_same_resamples():
    right = correctness(0.6, 0)
    judged = compare("t", [row("own", "encoder", right), row("floor", "scratch", right)], {"share, 10 samples": "10"})
    (same,) = judged.differences
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert not judged.verdict.helped


def test_the_verdict_weighs_every_floor_at_every_budget():
    few, many = DECIDING
    rows = [
        row("own", "encoder", correctness(0.9, 0), few),
        row("own, frozen", "encoder", correctness(0.95, 1), few),
        row("scratch", "scratch", correctness(0.4, 2), few),
        row("guess", "majority", correctness(0.5, 3), few),
        row("rival", "method", correctness(0.99, 4), few),
        row("own", "encoder", correctness(0.9, 5), many),
        row("scratch", "scratch", correctness(0.9, 6), many),
    ]
    verdict = compare("t", rows, DECIDING).verdict
    assert verdict.helped
    first, second = verdict.sentence.split(". ")
    assert first.startswith("With 10 labelled samples pre-training reaches share .")
    assert "guess ." in first
    assert first.endswith("it helped")
    assert "it did not help" in second
    below = [*rows[:3], row("guess", "majority", correctness(0.92, 3), few)]
    assert not compare("t", below, {few: "10 labelled samples"}).verdict.helped
