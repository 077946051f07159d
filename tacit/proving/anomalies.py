"""Where something is wrong in series: how well scores of their steps tell the marked ones. `--task anomaly`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tacit import interrupt
from tacit.console import counted, say
from tacit.core import Encoder
from tacit.data.listing import printable
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError
from tacit.evaluation.anomalies import BUFFER, volumes
from tacit.evaluation.bench import Evaluation, Kind
from tacit.evaluation.forecasting import Span
from tacit.evaluation.resampled import Resampled, compare, sample_weights
from tacit.evaluation.verdict import Verdict, figure
from tacit.proving import scores
from tacit.proving.courses import Course, Rows
from tacit.proving.fitting import UNTRAINED, untrained
from tacit.proving.forecasting import acquaintance
from tacit.proving.outcome import Proof, name_of

TASK = "anomaly"
METRICS = ("VUS-PR", "VUS-ROC", "average precision")
FEW = 7
"""Series from which on it can be told from chance that all of them go one way: 2^-7 is less than a hundredth."""
DRAWS = 3
"""Random scores."""


@dataclass(frozen=True, eq=False)
class Row:
    """One way to score all steps of a course, float64 `[T]`, as often as it is drawn."""

    name: str
    kind: Kind
    score: Callable[[int], Tensor]
    draws: int = 1


def anomaly(encoder: TrainedEncoder, data: str, *, seed: int = 0, max_bad: float = 0.01) -> Proof:
    """Judge `encoder` by how well the scores of its windows tell the steps that `data` mark as anomalies.

    What is normal is the training part, by default the first 15 % of each series; a window's score is the distance of
    its features to the nearest normal window's of the same series, a step's the mean over the windows that hold it.
    Every step of the test part counts, and nothing is adjusted: a point-adjusted score of random numbers would win (Kim
    et al. 2022, arXiv 2109.05257). Figures are means over series with anomalies there, which intervals resample. Raises
    `UsageError` for other kinds of data, and `DataError` where nothing is marked, or nothing is normal.
    """
    course, dataset = scores.open_watched(encoder, data, what=f"--task {TASK}", max_bad=max_bad)
    with interrupt.listening():
        judged = _judged(course, printable(data))
        protocol = {
            "data": dataset.name,
            "content_hash": dataset.content_hash,
            "split": course.protocol,
            "series": len(judged),
            "series_left_out": len(course.ends) - len(judged),
            "share": float(torch.cat([marks for _, marks in judged]).double().mean()),
            "window": encoder.layout.shape[0],
            "buffer": BUFFER,
            "adjusted": "no",
        }
        found = list(_measured(list(_rows(encoder, course, seed)), judged, protocol, seed))
        words = f"{counted(len(judged), 'series')} to watch"
        evaluation = _cautious(compare(TASK, found, {METRICS[0]: words}, seed=seed), len(judged))
        assert evaluation.verdict is not None
        said = f"{evaluation.verdict.sentence} {acquaintance(encoder, dataset, course)}"
        verdict = Verdict(evaluation.verdict.helped, said)
        return Proof(replace(evaluation, verdict=verdict), dataset, encoder, TASK)


Judged = Sequence[tuple[Span, Tensor]]
"""Stretches of the test part, one a series, and which of their steps are marked, boolean `[n]`."""


def _judged(course: Course, title: str) -> Judged:
    if course.marks is None:
        raise DataError(
            f"{title} does not say where anomalies are: to judge by, it takes a table of series with a column "
            "`anomaly`, 0 or 1 a row. Without one, `tacit anomalies` says where to look"
        )
    told = [((begin, end), course.marks[begin:end]) for begin, end in course.spans["test"]]
    found = [(span, marks) for span, marks in told if bool(marks.any()) and not bool(marks.all())]
    if not found:
        raise DataError(f"{title}: no series has both steps with and without anomalies in its test part")
    return found


def _rows(encoder: TrainedEncoder, course: Course, seed: int) -> Iterator[Row]:
    length, plain = encoder.layout.shape[0], scores.standardised(course)

    def by(network: Encoder, title: str) -> Tensor:
        return scores.distances(course, scores.by_encoder(network, encoder), length, title)

    def fresh(number: int) -> Tensor:
        return by(untrained(encoder, Rows.of(course, encoder), number), "windows, untrained")

    def raw(_: int) -> Tensor:
        return scores.distances(plain, lambda rows: rows.nan_to_num().flatten(1), length, "windows, raw values")

    def chance(number: int) -> Tensor:
        return torch.rand(len(course.values), generator=torch.Generator().manual_seed(seed + number)).double()

    yield Row(name_of(encoder), "encoder", lambda _: by(encoder.network, "windows"))
    if not encoder.network.solved:
        yield Row("untrained", "untrained", fresh, UNTRAINED)
    yield Row("raw values", "raw", raw)
    yield Row("level", "raw", lambda _: scores.level(plain, length))
    yield Row("differences", "raw", lambda _: scores.changes(course, length))
    yield Row("random", "raw", chance, DRAWS)


def _measured(rows: Sequence[Row], judged: Judged, protocol: Mapping[str, Any], seed: int) -> Iterator[Resampled]:
    """All metrics of all rows, over all series and over resampled ones."""
    told = torch.stack([row.score(number) for row in rows for number in range(row.draws)])
    lowest = told.nan_to_num(torch.inf).amin(1, keepdim=True)
    members = torch.where(told.isnan(), lowest, told).numpy()  # where nothing is known, nothing looks wrong
    found = np.stack([_of_series(members[:, begin:end], marks.numpy()) for (begin, end), marks in judged])
    weights = sample_weights(len(judged), seed=seed) / len(judged)
    facts = {**protocol, "bootstrap": f"over {len(judged)} series"}
    parts = torch.split(torch.from_numpy(found), [row.draws for row in rows], dim=1)
    for row, values in zip(rows, parts, strict=True):
        drawn = torch.einsum("rn,nsm->srm", weights, values)
        for number, metric in enumerate(METRICS):
            each = {**facts, "each": values[..., number].mean(1).tolist()}
            yield Resampled(row.name, row.kind, metric, values[..., number].mean(0), drawn[..., number], each)


def _of_series(members: npt.NDArray[np.float64], marks: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """All metrics `[S, 3]` of S scores `[S, n]`."""
    from sklearn.metrics import average_precision_score

    points = [[average_precision_score(marks, own)] for own in members]
    return np.concatenate([volumes(members, marks), points], axis=1)


def _cautious(evaluation: Evaluation, series: int) -> Evaluation:
    """Of few series nothing is said beyond chance, and of one there is no interval."""
    if series >= FEW:
        return evaluation
    assert evaluation.verdict is not None
    said = evaluation.verdict.sentence.replace(": it helped.", ": it did not help beyond chance.")
    needed = f"It takes {FEW} series with anomalies to tell a gain from chance."
    if series > 1:
        say(f"note: {series} series with anomalies: intervals over so few are too narrow")
        return replace(evaluation, verdict=Verdict(False, f"{said} {needed}"))
    own, *floors = (result for result in evaluation.results if result.metric == METRICS[0])
    best = max(floors, key=lambda floor: floor.value)
    said = f"On one series pre-training reaches {METRICS[0]} {figure(own.value)}, {best.row} {figure(best.value)}."
    results = tuple(replace(result, low=None, high=None) for result in evaluation.results)
    return Evaluation(results, (), Verdict(False, f"{said} {needed}"), {})
