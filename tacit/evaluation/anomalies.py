"""How well scores tell anomalies from the rest of a series: areas under curves, step by step and range by range.

A series has T steps; `marks [T]` say which of them are anomalous, `scores [T]` how much each looks so. Nothing is
adjusted: an anomaly of which one step was found is found in part.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tacit import interrupt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Run = tuple[int, int]
"""First and last step of a stretch of marked ones."""
BUFFER = 100
"""Steps of the widest tolerance that volumes are taken over: half of them in front of an anomaly, half behind it."""
THRESHOLDS = 250
"""Points of a curve at most, at ranks that are evenly spread."""


def runs(marks: Bools) -> list[Run]:
    """The stretches of marked steps."""
    edges = np.flatnonzero(np.diff(marks.astype(np.int8), prepend=0, append=0))
    return [(int(begin), int(end) - 1) for begin, end in edges.reshape(-1, 2)]


def volumes(scores: Floats, marks: Bools, buffer: int = BUFFER) -> Floats:
    """The volumes under the surfaces of precision and recall (VUS-PR) and of ROC (VUS-ROC) of each of S scores.

    Paparrizos et al. 2022, Volume Under the Surface, PVLDB 15(11), as the authors compute it since 2024 (TSB-AD): the
    range-based areas of each tolerance l from 0 to `buffer`, averaged. A tolerance marks sqrt(1 - d / l) of a step at
    the distance d <= l / 2 from an anomaly, where that step is told; half of it is more to be found. Recall is
    multiplied by the share of the anomalies, so widened, of which any step is told. VUS-PR sums as average precision
    does.

    Args:
        scores: `[S, T]`, finite; more is more anomalous.
        marks: `[T]`, some true and some not.

    Returns: `[S, 2]`.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    ordered = np.take_along_axis(scores, order, axis=1)
    thresholds = ordered[:, np.linspace(0, scores.shape[1] - 1, THRESHOLDS).astype(np.int64)]
    told = np.stack([np.searchsorted(-own, -some, side="right") for own, some in zip(ordered, thresholds, strict=True)])

    def among_told(amounts: Floats) -> Floats:
        return np.take_along_axis(amounts[order].cumsum(axis=1), told - 1, axis=1)

    inside, areas = among_told(marks.astype(np.float64)), np.zeros((len(scores), 2))
    for labels, ranges in widened(marks, buffer):
        interrupt.check()
        hits = among_told(labels)
        highest = np.maximum.reduceat(np.pad(scores, ((0, 0), (0, 1))), ranges.flatten(), axis=1)[:, ::2]
        found = (highest[:, None] >= thresholds[..., None]).mean(axis=2)
        positive = marks.sum() + (hits - inside) / 2
        recall = np.minimum(hits / positive, 1) * found
        wrong = (told - hits) / (len(marks) - positive)
        areas[:, 0] += (np.diff(recall, axis=1, prepend=0) * hits / told).sum(axis=1)
        areas[:, 1] += np.trapezoid(_from_0_to_1(recall), _from_0_to_1(wrong), axis=1)
    return areas / (buffer + 1)


def widened(marks: Bools, buffer: int) -> Iterator[tuple[Floats, npt.NDArray[np.int64]]]:
    """For each tolerance from 0 to `buffer`: how much each step is marked, `[T]`, and the widened anomalies, first step
    and the one behind the last, `[K, 2]`, those that overlap being one."""
    found, steps = runs(marks), len(marks)
    for tolerance in range(buffer + 1):
        half = tolerance // 2
        slope = np.sqrt(1 - np.arange(1, half + 1) / max(1, tolerance))
        labels = marks.astype(np.float64)
        for begin, end in found:
            before, behind = labels[max(0, begin - half) : begin], labels[end + 1 : end + 1 + half]
            before += slope[: len(before)][::-1]
            behind += slope[: len(behind)]
        ranges: list[list[int]] = []
        for begin, end in found:
            if ranges and begin - half <= ranges[-1][1] - 1:
                ranges[-1][1] = min(steps, end + half + 1)
            else:
                ranges.append([max(0, begin - half), min(steps, end + half + 1)])
        yield np.minimum(labels, 1), np.array(ranges)


def _from_0_to_1(curve: Floats) -> Floats:
    ends: Floats = np.pad(np.pad(curve, ((0, 0), (1, 0))), ((0, 0), (0, 1)), constant_values=1)
    return ends
