"""The bench: every row on the same samples, by the same tasks, with intervals, differences and a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from tacit.errors import UsageError, nearest
from tacit.evaluation import judging
from tacit.evaluation.bootstrap import difference, interval
from tacit.evaluation.setup import FLOORS as FLOORS
from tacit.evaluation.setup import Kind as Kind
from tacit.evaluation.setup import PredictedRow, Row, Setup
from tacit.evaluation.tasks import DEFAULT_TASKS, TASKS, Key, Measurement
from tacit.evaluation.verdict import Verdict


class Memory(Protocol):
    """Keeps measurements by facts, so that floors are measured once per set."""

    def recall(self, facts: Mapping[str, Any]) -> dict[Key, Measurement] | None: ...

    def keep(self, facts: Mapping[str, Any], found: Mapping[Key, Measurement]) -> None: ...


@dataclass(frozen=True)
class Result:
    """One number of one row, with the interval where it is a mean over test samples, and how it was obtained."""

    row: str
    kind: Kind
    task: str
    metric: str
    value: float
    low: float | None
    high: float | None
    protocol: Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """How much better the encoder does than another row, paired over draws and test samples."""

    row: str
    task: str
    metric: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Every number with its floors, interval and protocol."""

    results: tuple[Result, ...]
    differences: tuple[Difference, ...]
    verdict: Verdict | None
    """None where no encoder was on trial or nothing measured was an accuracy."""
    correct: Mapping[tuple[str, str, str], Tensor]
    """(row, task, metric) -> float `[S, M]`; kept in memory alone."""

    def find(self, row: str, task: str, metric: str) -> Result | None:
        """The result of `row`, None where it was not measured."""
        wanted = (row, task, metric)
        return next((result for result in self.results if (result.row, result.task, result.metric) == wanted), None)

    def to_json(self) -> dict[str, Any]:
        """Everything but `correct`, as plain values ready for `json.dumps`."""
        return {
            "verdict": asdict(self.verdict) if self.verdict else None,
            "results": [asdict(result) for result in self.results],
            "differences": [asdict(difference) for difference in self.differences],
        }


def evaluate(
    setup: Setup,
    rows: Sequence[Row | PredictedRow],
    tasks: Sequence[str] = DEFAULT_TASKS,
    memory: Memory | None = None,
) -> Evaluation:
    """Judge all `rows` by `tasks` (names of `TASKS`); a row `majority` is added to every accuracy.

    Features are computed once a row and freed before the next one, so that memory holds one row's features. Rows with
    an identity are looked up in `memory` first.
    """
    for task in tasks:
        if task not in TASKS:
            raise UsageError(f"no task {task!r}; {nearest(task, TASKS)}")
    results: list[Result] = []
    correct: dict[tuple[str, str, str], Tensor] = {}
    kinds: dict[str, Kind] = {}
    for name in dict.fromkeys(row.name for row in rows):
        group = [row for row in rows if row.name == name]
        kinds[name] = group[0].kind
        members = [setup.scored(_remembered(setup, row, tasks, memory)) for row in group]
        for task, metric in members[0]:
            merged = _merged([member[task, metric] for member in members])
            results.append(_result(setup, name, kinds[name], task, merged))
            if merged.correct is not None:
                correct[name, task, metric] = merged.correct
    for task, metric in dict.fromkeys((task, metric) for _, task, metric in correct):
        right = setup.constant(task)
        value = setup.scoring(task).value(right)
        results.append(_result(setup, "majority", "majority", task, Measurement(metric, value, right)))
        correct["majority", task, metric] = right
    if (trial := next((name for name, kind in kinds.items() if kind == "encoder"), None)) is None:
        return Evaluation(tuple(results), (), None, correct)
    judged = judging.judge(
        trial,
        correct,
        floors=[name for kind in FLOORS for name in kinds if kinds[name] == kind],
        rivals=[name for name in kinds if kinds[name] == "method"],
        members=_members(results),
        scoring=setup.scoring,
        classes=len(setup.classes),
        seed=setup.seed,
    )
    return Evaluation(tuple(results), tuple(_differences(trial, correct, setup)), judged, correct)


def _remembered(
    setup: Setup, row: Row | PredictedRow, tasks: Sequence[str], memory: Memory | None
) -> dict[Key, Measurement]:
    """The measurements of one row, from `memory` where it was measured before: features task by task."""
    if memory is None or row.identity is None:
        return dict(setup.measure(row, tasks))
    facts = {
        "row": dict(row.identity),
        "data": dict(setup.protocol),
        "seed": setup.seed,
        "sizes": list(setup.totals or setup.sizes),
        "in all": bool(setup.totals),
        "draws": setup.draws,
    }
    parts = [[task] for task in tasks] if isinstance(row, Row) else [list(tasks)]
    known = [memory.recall({**facts, "tasks": part}) for part in parts]
    missing = [task for part, found in zip(parts, known, strict=True) if found is None for task in part]
    measured = dict(setup.measure(row, missing)) if None in known else {}
    whole: dict[Key, Measurement] = {}
    for part, found in zip(parts, known, strict=True):
        if found is None:
            found = {key: value for key, value in measured.items() if isinstance(row, PredictedRow) or key[0] in part}
            if measured:  # what is left out for now, and why, is told again
                memory.keep({**facts, "tasks": part}, found)
        whole |= found
    return whole


def _merged(found: Sequence[Measurement]) -> Measurement:
    """The mean over the members of a row, which keeps the value and protocol of each."""
    if len(found) == 1:
        return found[0]
    values = [member.value for member in found]
    right = [member.correct for member in found if member.correct is not None]
    mean = torch.stack(right).mean(0) if right else None
    protocol = {"members": values, "member_protocols": [dict(member.protocol) for member in found]}
    return Measurement(found[0].metric, sum(values) / len(values), mean, protocol)


def _members(results: Sequence[Result]) -> Mapping[Key, Sequence[float]]:
    """(task, metric) -> the value of each untrained encoder, one a seed."""
    return {
        (result.task, result.metric): result.protocol.get("members", [result.value])
        for result in results
        if result.kind == "untrained"
    }


def _result(setup: Setup, row: str, kind: Kind, task: str, found: Measurement) -> Result:
    protocol = {**setup.protocol, **found.protocol}
    if found.correct is None:
        return Result(row, kind, task, found.metric, found.value, None, None, protocol)
    around = interval(found.correct, setup.scoring(task), seed=setup.seed)
    protocol |= setup.certainty(task, found.correct)
    return Result(row, kind, task, found.metric, found.value, around.low, around.high, protocol)


def _differences(trial: str, correct: Mapping[tuple[str, str, str], Tensor], setup: Setup) -> Iterator[Difference]:
    for (row, task, metric), right in correct.items():
        if row != trial and (trial, task, metric) in correct:
            gain = difference(correct[trial, task, metric], right, setup.scoring(task), seed=setup.seed)
            yield Difference(row, task, metric, gain.value, gain.low, gain.high)
