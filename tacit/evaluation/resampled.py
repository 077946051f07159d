"""Measures that are no mean over samples, such as average precision: rows with intervals, differences and a verdict.

Each measure comes with what it would have been on resampled test samples, the same resamples for all rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from tacit.evaluation.bench import FLOORS, Difference, Evaluation, Kind, Result
from tacit.evaluation.bootstrap import LEVEL, RESAMPLES, Interval, counts
from tacit.evaluation.direction import sign
from tacit.evaluation.verdict import STRICT, Verdict, figure, with_interval


@dataclass(frozen=True, eq=False)
class Resampled:
    """One measure of one row, trained S times; R resamples of the test samples."""

    row: str
    kind: Kind
    metric: str
    values: Tensor
    """`[S]`, one a seed."""
    draws: Tensor
    """`[S, R]`, what they are on the resamples of `sample_weights`."""
    protocol: Mapping[str, Any] = field(default_factory=dict)


def sample_weights(samples: int, *, resamples: int = RESAMPLES, seed: int = 0, units: Tensor | None = None) -> Tensor:
    """How often each test sample stands in each resample, float64 `[R, samples]`; those of one unit go together."""
    return counts(resamples, samples, torch.Generator().manual_seed(seed), units)


def compare(task: str, measured: Sequence[Resampled], deciding: Mapping[str, str], *, seed: int = 0) -> Evaluation:
    """All results with their intervals, over test samples and seeds, and the verdict on the first row.

    `deciding`: metric -> the budget in words, fewest labels first, where the verdict is given.
    """
    trial = measured[0].row
    pooled = {(one.row, one.metric): _over_seeds(one, seed) for one in measured}
    results = []
    for one in measured:
        around = _interval(float(one.values.double().mean()), pooled[one.row, one.metric], LEVEL)
        protocol = {**one.protocol, "values": one.values.tolist(), "interval": LEVEL, "resamples": one.draws.shape[1]}
        results.append(Result(one.row, one.kind, task, one.metric, around.value, around.low, around.high, protocol))
    gains = tuple(_gains(task, trial, results, pooled, LEVEL))
    return Evaluation(tuple(results), gains, _verdict(task, results, pooled, deciding), {})


def compare_both(
    task: str, measured: Sequence[Resampled], whole: Sequence[str], deciding: Mapping[str, str], *, seed: int = 0
) -> Evaluation:
    """The same for encoders that learn as a `whole` (the names of these rows, the one on trial first) and, of all other
    rows, for frozen ones: two verdicts in one, of which the first decides."""
    learnt = compare(task, measured, deciding, seed=seed)
    probed = compare(task, [one for one in measured if one.row not in whole], deciding, seed=seed)
    assert learnt.verdict is not None
    assert probed.verdict is not None
    sentence = f"Learning as a whole: {learnt.verdict.sentence} Frozen features: {probed.verdict.sentence}"
    return replace(learnt, verdict=Verdict(learnt.verdict.helped, sentence))


def _over_seeds(one: Resampled, seed: int) -> Tensor:
    """The mean over resampled seeds, `[R]`; rows of as many seeds are resampled alike."""
    generator = torch.Generator().manual_seed(seed + 1)
    weights = counts(one.draws.shape[1], len(one.draws), generator) / len(one.draws)
    return (weights * one.draws.double().T).sum(1)


def _interval(value: float, draws: Tensor, level: float) -> Interval:
    tail = (1 - level) / 2
    low, high = torch.quantile(draws, torch.tensor([tail, 1 - tail], dtype=draws.dtype)).tolist()
    return Interval(value, low, high)


def _gains(
    task: str, trial: str, results: Sequence[Result], pooled: Mapping[tuple[str, str], Tensor], level: float
) -> Iterator[Difference]:
    own = {result.metric: result for result in results if result.row == trial}
    for result in results:
        if result.row != trial and result.metric in own:
            better = sign(result.metric)
            draws = better * (pooled[trial, result.metric] - pooled[result.row, result.metric])
            gain = _interval(better * (own[result.metric].value - result.value), draws, level)
            yield Difference(result.row, task, result.metric, gain.value, gain.low, gain.high)


def _verdict(
    task: str,
    results: Sequence[Result],
    pooled: Mapping[tuple[str, str], Tensor],
    deciding: Mapping[str, str],
) -> Verdict:
    """It helped at a budget if the whole paired interval of its gain over every floor lies above 0."""
    trial = results[0].row
    gains = list(_gains(task, trial, results, pooled, STRICT))
    outcomes, said = [], []
    for metric, budget in deciding.items():
        own = next(result for result in results if (result.row, result.metric) == (trial, metric))
        floors = [r for r in results if r.metric == metric and r.kind in (*FLOORS, "majority")]
        names = {floor.row for floor in floors}
        over = [gain for gain in gains if gain.metric == metric and gain.row in names]
        helped = all(gain.low > 0 for gain in over)
        outcomes.append(helped)
        better = sign(metric)
        best = max(floors, key=lambda floor: better * floor.value)
        assert own.low is not None
        assert own.high is not None
        reached = with_interval(Interval(own.value, own.low, own.high))
        no = "it did not help beyond chance" if better * (own.value - best.value) > 0 else "it did not help"
        said.append(
            f"With {budget} pre-training reaches {metric.split(',')[0]} {reached}, {best.row} {figure(best.value)}: "
            f"{'it helped' if helped else no}."
        )
    return Verdict(any(outcomes), " ".join(said))
