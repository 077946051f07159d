"""The bench: every row on one split, by the same tasks, with intervals, differences and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from tacit import console
from tacit.core import Samples
from tacit.errors import DataError, UsageError, nearest
from tacit.evaluation.bootstrap import LEVEL, RESAMPLES, difference, interval
from tacit.evaluation.features import must_be_finite
from tacit.evaluation.few_label import DRAWS, SIZES, amounts, per_class, words
from tacit.evaluation.tasks import DEFAULT_TASKS, TASKS, Key, Measurement, Problem, constant
from tacit.evaluation.verdict import Contest, Verdict, verdict

Kind = Literal["encoder", "untrained", "raw", "method", "majority", "scratch", "random"]
"""What a row is: the encoder on trial, a floor (`untrained`, `raw`, `scratch`, `majority`, `random` choice), or a rival
`method`."""
FLOORS: tuple[Kind, ...] = ("raw", "untrained", "scratch")
FEW_TASKS = ("few-label", "few-label-finetuned")
"""Tasks whose metrics are numbers of labels."""
FEW = 10  # labels per class at which the verdict is given, or the nearest there is


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """Data with labels, split once.

    Raises `DataError` where the labels cannot judge anything, and `UsageError` where they cannot serve `totals`.
    """

    train: Samples
    train_labels: Tensor
    """Long `[N]`."""
    test: Samples
    test_labels: Tensor
    """Long `[M]`."""
    classes: Sequence[str]
    """The classes' names, in the order of their labels."""
    val: tuple[Samples, Tensor] | None = None
    units: Tensor | None = None
    """Long `[M]`, test samples that are pieces of one have the same: resampled together. None where all are whole."""
    protocol: Mapping[str, Any] = field(default_factory=dict)
    """What holds for all rows: data, split, hash."""
    seed: int = 0
    sizes: Sequence[int] = SIZES
    """Labels per class for the tasks `few-label` and `semi`."""
    totals: Sequence[int] = ()
    """Labels in all, drawn evenly from the classes, in place of `sizes`."""
    draws: int = DRAWS

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise DataError(
                f"the labels name {len(self.classes)} class, and telling classes apart takes two: "
                "evaluate on data with at least two classes, such as one sub-folder per class"
            )
        for part, samples, labels in (
            ("training", self.train, self.train_labels),
            ("test", self.test, self.test_labels),
        ):
            if len(samples) != len(labels):
                raise DataError(f"the {part} part has {len(samples)} samples and {len(labels)} labels: give one each")
            counts = torch.bincount(labels, minlength=len(self.classes))
            missing = [name for name, count in zip(self.classes, counts.tolist(), strict=True) if count == 0]
            if missing:
                raise DataError(
                    f"the {part} part has {len(labels)} samples and none of {_listed(missing)}: add labelled samples "
                    "of each class, split the data anew with a larger part, or leave the class out"
                )
        amounts(len(self.classes), self.train_labels, self.sizes, self.totals)  # told before anything is computed


@dataclass(frozen=True, eq=False)
class Row:
    """Something that turns samples into features. Rows of one name (untrained encoders by seed) are averaged."""

    name: str
    kind: Kind
    features: Callable[[Samples], Tensor]
    """Samples -> `[N, D]`."""
    protocol: Mapping[str, Any] = field(default_factory=dict)
    """Layer, crops, seed, last or best."""
    pairs: Callable[[], tuple[Tensor, Tensor]] | None = None
    """Features of two views of the same samples, for alignment."""
    identity: Mapping[str, Any] | None = None
    """All that the features depend on beside the data, where they are worth remembering: those of floors."""


class Memory(Protocol):
    """Keeps measurements by facts, so that floors are measured once per set."""

    def recall(self, facts: Mapping[str, Any]) -> dict[Key, Measurement] | None: ...

    def keep(self, facts: Mapping[str, Any], found: Mapping[Key, Measurement]) -> None: ...


@dataclass(frozen=True, eq=False)
class PredictedRow:
    """Something that was fitted elsewhere and brings its predictions, such as a network trained from scratch."""

    name: str
    kind: Kind
    predictions: Callable[[], Mapping[Key, Tensor]]
    """(task, metric) -> classes of the test part, long `[S, M]`, a row a draw; called where they are not remembered."""
    protocol: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, Any] | None = None
    """As that of a `Row`."""


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
    bench: Bench,
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
        members = [_remembered(bench, row, tasks, memory) for row in group]
        for task, metric in members[0]:
            merged = _merged([member[task, metric] for member in members])
            results.append(_result(bench, name, kinds[name], task, merged))
            if merged.correct is not None:
                correct[name, task, metric] = merged.correct
    for task, metric in dict.fromkeys((task, metric) for _, task, metric in correct):
        right = constant(bench.train_labels, bench.test_labels, len(bench.classes), task)
        results.append(_result(bench, "majority", "majority", task, Measurement.of(metric, right, {})))
        correct["majority", task, metric] = right
    if (trial := next((name for name, kind in kinds.items() if kind == "encoder"), None)) is None:
        return Evaluation(tuple(results), (), None, correct)
    judged = _judge(trial, results, correct, kinds, bench)
    return Evaluation(tuple(results), tuple(_differences(trial, correct, bench)), judged, correct)


def _remembered(
    bench: Bench, row: Row | PredictedRow, tasks: Sequence[str], memory: Memory | None
) -> dict[Key, Measurement]:
    """The measurements of one row, from `memory` where it was measured before."""
    if memory is None or row.identity is None:
        return dict(_measure(bench, row, tasks))
    facts = {
        "row": dict(row.identity),
        "data": dict(bench.protocol),
        "tasks": list(tasks),
        "seed": bench.seed,
        "sizes": list(bench.totals or bench.sizes),
        "in all": bool(bench.totals),
        "draws": bench.draws,
    }
    if (found := memory.recall(facts)) is None:
        found = dict(_measure(bench, row, tasks))
        memory.keep(facts, found)
    return found


def _measure(bench: Bench, row: Row | PredictedRow, tasks: Sequence[str]) -> Iterator[tuple[Key, Measurement]]:
    """All measurements of one row; its features live no longer than this."""
    if isinstance(row, PredictedRow):
        for (task, metric), found in row.predictions().items():
            yield (task, metric), Measurement.of(metric, found == bench.test_labels, row.protocol)
        return
    train = must_be_finite(row.features(bench.train), row.name)
    problem = Problem(
        train,
        bench.train_labels,
        must_be_finite(row.features(bench.test), row.name),
        bench.test_labels,
        len(bench.classes),
        val=(row.features(bench.val[0]), bench.val[1]) if bench.val else None,
        pairs=row.pairs() if row.pairs else None,
        seed=bench.seed,
        sizes=bench.sizes,
        totals=bench.totals,
        draws=bench.draws,
    )
    shared = {"dimension": train.shape[1], **row.protocol}
    with console.progress(row.name, len(tasks)) as tick:
        for number, task in enumerate(tasks):
            tick(number, task)
            for measured in TASKS[task](problem):
                yield (task, measured.metric), replace(measured, protocol={**shared, **measured.protocol})


def _merged(found: Sequence[Measurement]) -> Measurement:
    """The mean over the members of a row, which keeps the value and protocol of each."""
    if len(found) == 1:
        return found[0]
    values = [member.value for member in found]
    right = [member.correct for member in found if member.correct is not None]
    mean = torch.stack(right).mean(0) if right else None
    protocol = {"members": values, "member_protocols": [dict(member.protocol) for member in found]}
    return Measurement(found[0].metric, sum(values) / len(values), mean, protocol)


def _result(bench: Bench, row: str, kind: Kind, task: str, found: Measurement) -> Result:
    protocol = {**bench.protocol, **found.protocol}
    if found.correct is None:
        return Result(row, kind, task, found.metric, found.value, None, None, protocol)
    around = interval(found.correct, seed=bench.seed, units=bench.units)
    protocol |= {"interval": LEVEL, "resamples": RESAMPLES, "test_samples": len(bench.test_labels), "seed": bench.seed}
    if bench.units is not None:
        protocol["resampled"] = f"{len(torch.unique(bench.units))} whole samples, which the test samples are pieces of"
    return Result(row, kind, task, found.metric, found.value, around.low, around.high, protocol)


def _differences(trial: str, correct: Mapping[tuple[str, str, str], Tensor], bench: Bench) -> Iterator[Difference]:
    for (row, task, metric), right in correct.items():
        if row != trial and (trial, task, metric) in correct:
            gain = difference(correct[trial, task, metric], right, seed=bench.seed, units=bench.units)
            yield Difference(row, task, metric, gain.value, gain.low, gain.high)


def _judge(
    trial: str,
    results: Sequence[Result],
    correct: Mapping[tuple[str, str, str], Tensor],
    kinds: Mapping[str, Kind],
    bench: Bench,
) -> Verdict | None:
    """The verdict at few and at all labels, or at the nearest neighbours where only they were asked for."""
    keys = [(task, metric) for row, task, metric in correct if row == trial]
    few = {key: per_class(key[1], len(bench.classes)) for key in keys if key[0] in FEW_TASKS}
    budgets: dict[Key, str] = {}
    if few:
        closest = min(few, key=lambda key: max(few[key] / FEW, FEW / few[key]))
        budgets[closest] = words(closest[1])
    if ("linear", "all") in keys:
        budgets["linear", "all"] = "all labels"
    if not budgets and ("knn", "k=20") in keys:
        budgets["knn", "k=20"] = "20 nearest neighbours"
    if not budgets and ("retrieval", "mAP") in keys:
        budgets["retrieval", "mAP"] = "a search for the class (mAP)"
    contests = []
    for (task, metric), budget in budgets.items():
        at = {row: right for (row, *key), right in correct.items() if tuple(key) == (task, metric)}
        floors = {row: at[row] for kind in FLOORS for row in at if kinds.get(row) == kind}
        if at["majority"].mean() >= max((floor.mean() for floor in floors.values()), default=torch.tensor(0)):
            floors["majority"] = at["majority"]
        members = [
            value
            for result in results
            if (result.task, result.metric, result.kind) == (task, metric, "untrained")
            for value in result.protocol.get("members", [result.value])
        ]
        rivals = {row: at[row] for row in at if kinds.get(row) == "method"}
        contests.append(Contest(budget, at[trial], floors, members, rivals))
    return verdict(contests, seed=bench.seed, units=bench.units) if contests else None


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more classes"
