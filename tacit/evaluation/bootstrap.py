"""Intervals by resampling both the test samples and the label draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

RESAMPLES = 2000
LEVEL = 0.95
_CHUNK = 2**24


@dataclass(frozen=True)
class Interval:
    """A mean and the interval around it."""

    value: float
    low: float
    high: float


def interval(
    correct: Tensor,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
    units: Tensor | None = None,
) -> Interval:
    """The mean of `correct [S, M]` (S draws, M test samples; numbers from 0 to 1) with its percentile interval.

    Rows and columns are resampled independently (the pigeonhole bootstrap of Owen 2007), which errs on the wide side;
    columns by `units` (long `[M]`), where several of them are of one, such as the pieces of a recording.
    The same seed and shape give the same resamples, so that `interval(a - b)` is the interval of a paired difference.
    """
    exact = correct.double()
    tail = (1 - level) / 2
    means = torch.cat(list(_means(exact, resamples, seed, units)))
    low, high = torch.quantile(means, torch.tensor([tail, 1 - tail], dtype=means.dtype)).tolist()
    return Interval(exact.mean().item(), low, high)


def difference(
    first: Tensor,
    second: Tensor,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
    units: Tensor | None = None,
) -> Interval:
    """How much more often `first [S, M]` is right than `second [S, M]`, on the same draws and test samples."""
    return interval(first.double() - second.double(), level=level, resamples=resamples, seed=seed, units=units)


def _means(correct: Tensor, resamples: int, seed: int, units: Tensor | None) -> Iterator[Tensor]:
    """Means of resampled `correct [S, M]`, as chunks `[R]` of `resamples` numbers."""
    generator = torch.Generator().manual_seed(seed)
    draws, samples = correct.shape
    chunk = max(1, _CHUNK // samples)
    for start in range(0, resamples, chunk):
        count = min(chunk, resamples - start)
        columns = counts(count, samples, generator, units)
        rows = counts(count, draws, generator)
        yield ((columns @ correct.T) * rows).sum(1) / (draws * columns.sum(1))


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
