"""Intervals: by resampling the test samples and the label draws, or over folds that are left out in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

RESAMPLES = 2000
LEVEL = 0.95
_CHUNK = 2**24
_KEPT = 2**28
"""Resamples of up to so many bytes are kept for the next interval."""


@dataclass(frozen=True)
class Interval:
    """A mean and the interval around it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Scoring:
    """How M test samples make one number of who was right: all alike or class by class, tested at once or in folds."""

    classes: Tensor | None = None
    """Long `[M]`, their true classes, where the number is the mean of the classes' recalls; None: all count alike."""
    folds: Tensor | None = None
    """Long `[M]`, in which fold each was tested; None where there is one test part."""
    units: Tensor | None = None
    """Long `[M]`, equal for pieces of one sample, which are resampled together; None where all are whole."""

    def value(self, correct: Tensor) -> float:
        """The number for `correct [S, M]`: the accuracy, or the balanced accuracy (unweighted average recall)."""
        samples = correct.double().mean(0)
        return _means(samples, torch.ones(1, len(samples), dtype=torch.float64), self.classes).item()

    def by_fold(self, correct: Tensor) -> Tensor:
        """The number in each fold, by the classes that it has, float64 `[K]`."""
        assert self.folds is not None
        samples = correct.double().mean(0)
        return _means(samples, _one_hot(self.folds), self.classes)


ACCURACY = Scoring()


def interval(
    correct: Tensor, scoring: Scoring = ACCURACY, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """The number that `scoring` makes of `correct [S, M]` (S draws, M test samples; from 0 to 1) with its interval.

    Of one test part: percentiles, rows and columns (or their units) being resampled independently (the pigeonhole
    bootstrap of Owen 2007), which errs on the wide side. The same seed and shape give the same resamples, so that
    `interval(a - b)` is the interval of a paired difference. Of folds: see `_over_folds`.
    """
    if scoring.folds is not None:
        return _over_folds(correct, scoring, level)
    exact = correct.double()
    tail = (1 - level) / 2
    means = torch.cat(list(_resampled(exact, scoring, resamples, seed)))
    low, high = torch.quantile(means, torch.tensor([tail, 1 - tail], dtype=means.dtype)).tolist()
    return Interval(scoring.value(exact), low, high)


def difference(
    first: Tensor,
    second: Tensor,
    scoring: Scoring = ACCURACY,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """How much better `first [S, M]` is than `second [S, M]`, on the same draws and test samples."""
    return interval(first.double() - second.double(), scoring, level=level, resamples=resamples, seed=seed)


def _over_folds(correct: Tensor, scoring: Scoring, level: float) -> Interval:
    """The jackknife over whole folds: each is left out once, Student's t with K - 1 degrees of freedom.

    What was recorded in one fold (by one speaker) stands and falls together, and its label draws are its own, so folds
    are the units that might have been others, as clusters in Cameron and Miller 2015, section VI. A percentile
    bootstrap of a handful of units is too narrow: with five that differ it covered the truth 86 times in 100 in place
    of 95, resampled samples 37. That folds share what they learn from is not accounted for; nothing unbiased could be
    (Bengio and Grandvalet 2004).
    """
    from scipy.special import stdtrit

    assert scoring.folds is not None
    samples = correct.double().mean(0)
    kept = 1 - _one_hot(scoring.folds)
    folds = len(kept)
    value = scoring.value(correct)
    without = _means(samples, kept, scoring.classes)
    error = ((folds - 1) / folds * (without - without.mean()).square().sum()).sqrt().item()
    reach = float(stdtrit(folds - 1, (1 + level) / 2)) * error
    lowest, highest = samples.min().item(), samples.max().item()  # no mean lies beyond these
    return Interval(value, max(value - reach, lowest), min(value + reach, highest))


def _one_hot(folds: Tensor) -> Tensor:
    """Float64 `[K, M]`, 1 where a sample is of a fold or class."""
    members: Tensor = torch.unique(folds)[:, None] == folds
    return members.double()


def _means(samples: Tensor, weights: Tensor, classes: Tensor | None) -> Tensor:
    """The mean of `samples [M]` under each row of `weights [R, M]`, or of the classes' means, `[R]`.

    A class of no weight is passed over.
    """
    if classes is None:
        return weights @ samples / weights.sum(1)
    present = _one_hot(classes)
    sizes = weights @ present.T
    recalls = weights @ (present * samples).T / sizes.clamp_min(1e-12)
    mean: Tensor = recalls.sum(1) / (sizes > 0).sum(1)
    return mean


def _resampled(correct: Tensor, scoring: Scoring, resamples: int, seed: int) -> Iterator[Tensor]:
    """The number on resampled `correct [S, M]`, as chunks `[R]` of `resamples` numbers."""
    draws, samples = correct.shape
    units, of = samples, None
    if scoring.units is not None:
        known, of = torch.unique(scoring.units, return_inverse=True)
        units = len(known)
    drawn = _kept if resamples * units <= _KEPT else _drawn
    for members, rows in drawn(resamples, units, draws, seed, max(1, _CHUNK // samples)):
        columns = (members if of is None else members[:, of]).double()
        if scoring.classes is None:
            yield ((columns @ correct.T) * rows).sum(1) / (draws * columns.sum(1))
            continue
        total, present = torch.zeros(len(rows), dtype=torch.float64), torch.zeros(len(rows), dtype=torch.float64)
        for label in torch.unique(scoring.classes):
            own = (scoring.classes == label).nonzero().flatten()
            chosen = columns[:, own]
            size = chosen.sum(1)
            right = ((chosen @ correct[:, own].T) * rows).sum(1) / draws
            total += right / size.clamp_min(1)
            present += size > 0
        yield total / present


def _drawn(resamples: int, units: int, draws: int, seed: int, chunk: int) -> Iterator[tuple[Tensor, Tensor]]:
    """How often each unit and each draw is drawn, float64 `[R, units]` and `[R, draws]`, R at most `chunk`."""
    generator = torch.Generator().manual_seed(seed)
    for start in range(0, resamples, chunk):
        count = min(chunk, resamples - start)
        yield counts(count, units, generator), counts(count, draws, generator)


@lru_cache(maxsize=2)  # test parts are drawn once, or with all draws of few labels
def _kept(resamples: int, units: int, draws: int, seed: int, chunk: int) -> list[tuple[Tensor, Tensor]]:
    """The same, kept: an evaluation asks for dozens of intervals over one test part, and drawing takes most of one.

    In bytes: that one of 256 units or more is drawn as often in a resample has a chance of less than 1e-500.
    """
    return [(members.byte(), rows) for members, rows in _drawn(resamples, units, draws, seed, chunk)]


def counts(resamples: int, population: int, generator: torch.Generator, units: Tensor | None = None) -> Tensor:
    """How often each of `population` members is drawn, float64 `[resamples, population]`; each row sums to it.

    Members of one unit (long `[population]`) are drawn together, where there are `units`: a row then sums to it only
    on average.
    """
    if units is not None:
        known, of = torch.unique(units, return_inverse=True)
        return counts(resamples, len(known), generator)[:, of]
    drawn = torch.randint(population, (resamples, population), generator=generator)
    return torch.zeros(resamples, population, dtype=torch.float64).scatter_add_(
        1, drawn, torch.ones(1, dtype=torch.float64).expand_as(drawn)
    )
