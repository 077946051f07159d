"""What comes next in series: forecasts by ridge regression and by rules of thumb, and how far off they are.

Series of C channels stand one behind the other, T steps in all. A forecast starts from a step, its origin, and says the
H steps behind it. Values are standardised; those that are missing are NaN, and count nowhere as something to foretell.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from tacit import interrupt
from tacit.evaluation.bootstrap import RESAMPLES
from tacit.evaluation.linear import walk
from tacit.evaluation.scaler import Scaler

Forecaster = Callable[[Tensor], Tensor]
"""Origins, long `[n]` -> what is said of the H steps behind each, `[n, H, C]`."""
Span = tuple[int, int]
"""Begin and end of a stretch of time."""
PENALTIES = tuple(10 ** (half / 2) for half in range(2, -17, -1))
"""Added to the variances of features whose mean squared norm is one (`Scaler.of`), strongest first."""
FIRST = 10
"""The place in `PENALTIES` that is tried first."""
FITTED = 50_000
"""Origins that a ridge regression is fitted to, evenly spread where there are more."""
CLOSE, ROUNDS = 1e-4, 100
"""Until answers for missing values move by less than so many deviations, or so often, they are refined."""
LONGEST = 5_000
"""Steps of a period at most."""
CLEAR, SIGMAS, ALIKE = 0.1, 6.0, 0.8
"""A period's gain is at least `CLEAR` and beyond chance, which is about one by the root of how many values there are;
of several the shortest is taken that has this share of the best."""
_ROUNDING = 1e-6
"""Squared differences of standardised values that say nothing."""
_BLOCK = 2**22
"""Numbers at a time."""


def origins(spans: Sequence[Span], begins: Tensor, horizon: int) -> Tensor:
    """All steps, long, whose next `horizon` steps lie inside one of `spans`; `begins [T]`: where their series begins.

    The first forecast of a span starts from the step in front of it, where the series has one.
    """
    found = [
        torch.arange(max(start - 1, int(begins[start])), end - horizon)
        for start, end in spans
        if end - horizon > max(start - 1, int(begins[start]))
    ]
    return torch.cat(found) if found else torch.empty(0, dtype=torch.long)


def errors(forecast: Forecaster, values: Tensor, starts: Tensor, horizon: int) -> Tensor:
    """Of each forecast from `starts [W]` the sum of squared errors, of absolute errors, and how many they are: float64
    `[3, W]`."""
    found = []
    for some in torch.split(starts, max(1, _BLOCK // (horizon * values.shape[1]))):
        interrupt.check()
        told = values[_behind(some, range(horizon))]
        known = ~told.isnan()
        off = torch.where(known, forecast(some) - told, 0.0).double().flatten(1)
        found.append(torch.stack([off.square().sum(1), off.abs().sum(1), known.flatten(1).sum(1)]))
    return torch.cat(found, dim=1)


def ridge(features: Tensor, values: Tensor, train: Tensor, val: Tensor, horizon: int) -> tuple[Forecaster, float]:
    """One linear map from `features [T, D]` of a step to all of the `horizon` steps behind it, and its penalty.

    minimise mean |y - b - W z|^2 + penalty |W|^2 over the forecasts from `train`, the penalty being the one that is
    best by the mean squared error of those from `val`. Targets that are missing are left out of the sum: they are
    answered by the map itself until that changes no more (expectation and maximisation, Dempster et al. 1977).
    """
    train = train[torch.linspace(0, len(train) - 1, min(FITTED, len(train))).long()]
    scaler = Scaler.of(features[train])
    rows = scaler(features[train]).double()
    gram = rows.T @ rows
    chunks = list(_crossed(rows, values, train, horizon))

    def solve(place: int, _: Forecaster | None) -> tuple[float, Forecaster]:
        bound = gram.clone()
        bound.diagonal().add_(PENALTIES[place] * len(train))
        factor = torch.linalg.cholesky(bound)
        parts = [_solved(rows, factor, cross, mean, told) for cross, mean, told in chunks]
        weights, bias = (torch.cat(each, dim=-1).float() for each in zip(*parts, strict=True))

        def forecast(starts: Tensor) -> Tensor:
            return (scaler(features[starts]) @ weights + bias).view(len(starts), horizon, -1)

        squares, _, count = errors(forecast, values, val, horizon).sum(1)
        return (squares / count.clamp_min(1)).item(), forecast

    place, chosen = walk(solve, len(PENALTIES), FIRST)
    return chosen, PENALTIES[place]


def _behind(starts: Tensor, ahead: range) -> Tensor:
    """The steps `[n, h]` that follow `starts [n]`, from the `ahead.start`-th on, counted from 0."""
    return starts[:, None] + torch.arange(ahead.start, ahead.stop) + 1


_Chunk = tuple[Tensor, Tensor, Tensor | None]
"""Z^T Y `[D, q]` of what is known, its mean `[q]`, and Y itself `[n, q]` where some of it is missing."""


def _crossed(rows: Tensor, values: Tensor, train: Tensor, horizon: int) -> Iterator[_Chunk]:
    """The targets of all rows, some steps ahead at a time."""
    size = max(1, _BLOCK // (len(rows) * values.shape[1]))
    for start in range(0, horizon, size):
        interrupt.check()
        told = values[_behind(train, range(start, min(start + size, horizon)))].flatten(1).double()
        mean = told.nanmean(0).nan_to_num()
        missing = told.isnan()
        yield rows.T @ (told - mean).nan_to_num(), mean, told if bool(missing.any()) else None


def _solved(rows: Tensor, factor: Tensor, cross: Tensor, mean: Tensor, told: Tensor | None) -> tuple[Tensor, Tensor]:
    """Weights `[D, q]` and bias `[q]`; `rows [n, D]` are centred, `factor` is Cholesky's of their penalised Gram."""
    weights, bias = torch.cholesky_solve(cross, factor), mean
    if told is None:
        return weights, bias
    known, answer = ~told.isnan(), rows @ weights + bias
    for _ in range(ROUNDS):
        interrupt.check()
        filled = torch.where(known, told, answer)
        bias = filled.mean(0)
        weights = torch.cholesky_solve(rows.T @ filled, factor)
        before, answer = answer, rows @ weights + bias
        if float((answer - before).abs().masked_fill(known, 0).max()) < CLOSE:
            break
    return weights, bias


def carried(values: Tensor, begins: Tensor) -> Tensor:
    """`values [T, C]` with the last known value of the same series where one is missing; 0, the mean, before any."""
    place = torch.arange(len(values))[:, None]
    last = torch.where(values.isnan(), -1, place).cummax(dim=0).values
    return values.gather(0, last.clamp_min(0)).where(last >= begins[:, None], 0.0)


def last_value(values: Tensor, begins: Tensor, horizon: int) -> Forecaster:
    """All stays as it is."""
    known = carried(values, begins)
    return lambda starts: known[starts][:, None].expand(-1, horizon, -1)


def seasonal(values: Tensor, begins: Tensor, horizon: int, period: int) -> Forecaster:
    """All is as it was a period ago; as last known where the series is younger, or nothing is known of that step."""
    known = carried(values, begins)
    phase = torch.arange(horizon) % period + 1 - period

    def forecast(starts: Tensor) -> Tensor:
        at = starts[:, None] + phase
        there = (at >= begins[starts, None])[..., None] & ~values[at.clamp_min(0)].isnan()
        return torch.where(there, values[at.clamp_min(0)], known[starts][:, None])

    return forecast


def lagged(values: Tensor, begins: Tensor, lags: int) -> Tensor:
    """The last `lags` values of each step, the newest first, `[T, C, lags]`; the first ones are repeated backwards."""
    known = carried(values, begins)
    at = torch.maximum(torch.arange(len(values))[:, None] - torch.arange(lags), begins[:, None])
    return known[at].transpose(1, 2)


def ridge_by_channel(
    features: Tensor, values: Tensor, train: Tensor, val: Tensor, horizon: int
) -> tuple[Forecaster, list[float]]:
    """Each channel from its own of `features [T, C, D]`, by a ridge regression of its own; and their penalties."""
    each = [ridge(features[:, at], values[:, at : at + 1], train, val, horizon) for at in range(values.shape[1])]
    return (
        lambda starts: torch.cat([forecast(starts) for forecast, _ in each], dim=2),
        [penalty for _, penalty in each],
    )


def period(values: Tensor, spans: Sequence[Span]) -> int | None:
    """The steps after which standardised `values [T, C]` come again, found in `spans`; None where nothing clear does.

    Values a period apart, or two, are nearer to each other than those half a period apart, or one and a half. By how
    much is told from the mean squared difference at each distance (the variogram), of all channels together: that of
    trends and random walks only grows, and white noise has none. Of several clear periods it is the shortest.
    """
    longest = max((end - start for start, end in spans), default=0)
    most = min(longest // 4, LONGEST)
    if most < 2:
        return None
    apart, pairs = (total.sum(1) for total in _differences(values, spans, 2 * most, 2 * longest))
    apart = apart / pairs.round().clamp_min(1)
    lags = torch.arange(2, most + 1)
    again = apart[lags] + apart[2 * lags]
    between = (apart[lags // 2] + apart[(lags + 1) // 2] + apart[3 * lags // 2] + apart[(3 * lags + 1) // 2]) / 2
    gain = 1 - (again + _ROUNDING) / (between + _ROUNDING)
    least = max(CLEAR, SIGMAS / math.sqrt(float(pairs[0])))
    clear = [
        at
        for at, lag in enumerate(lags[:-1].tolist())  # the last may be on its way to a better one
        if gain[at] >= least and gain[at] >= gain[max(0, at - lag // 4) : at + lag // 4 + 1].max()
    ]
    best = max((float(gain[at]) for at in clear), default=0.0)
    return next((at + 2 for at in clear if gain[at] >= ALIKE * best), None)


def _differences(values: Tensor, spans: Sequence[Span], most: int, size: int) -> tuple[Tensor, Tensor]:
    """Sums of squared differences of values 0 to `most` steps apart, `[most + 1, C]`, and of how many pairs each is."""
    total, pairs = torch.zeros(2, most + 1, values.shape[1], dtype=torch.float64)

    def along(first: Tensor, second: Tensor) -> Tensor:
        """The sums over t of first_t second_{t + lag}."""
        product = torch.fft.rfft(first, n=size, dim=0).conj() * torch.fft.rfft(second, n=size, dim=0)
        found: Tensor = torch.fft.irfft(product, n=size, dim=0)
        return found[: most + 1]

    for start, end in spans:
        x = values[start:end].double()
        known = (~x.isnan()).double()
        x = x.nan_to_num()
        total += along(x.square(), known) + along(known, x.square()) - 2 * along(x, x)
        pairs += along(known, known)
    return total, pairs


def in_blocks(sums: Tensor, sizes: Sequence[int], block: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Tensor:
    """The totals of `sums [K, W]` over resampled forecasts, `[K, R]`: the circular block bootstrap.

    Forecasts that start side by side foretell nearly the same steps, so whole runs of `block` of them are drawn (Künsch
    1989; behind each stretch's end stands its begin, Politis and Romano 1992). `sizes`: how many forecasts each stretch
    of time has; one that is shorter than a block is a block.
    """
    runs, count = [], 0
    for part in torch.split(sums, list(sizes), dim=1):
        size = min(block, part.shape[1])
        total = torch.cat([torch.zeros_like(part[:, :1]), torch.cat([part, part[:, :size]], dim=1).cumsum(1)], dim=1)
        runs.append(total[:, size : size + part.shape[1]] - total[:, : part.shape[1]])
        count += -(-part.shape[1] // size)
    whole = torch.cat(runs, dim=1)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(whole.shape[1], (resamples, count), generator=generator)
    return torch.stack([each[drawn].sum(1) for each in whole])
