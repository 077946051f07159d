"""What is judged and on what: rows of features or answers, and samples with labels, of which some are tested."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from tacit import console
from tacit.core import Samples
from tacit.errors import DataError
from tacit.evaluation.bootstrap import LEVEL, RESAMPLES, Scoring
from tacit.evaluation.features import must_be_finite
from tacit.evaluation.few_label import BALANCED, DRAWS, SIZES, amounts, wholes
from tacit.evaluation.tasks import RANKED, TASKS, Key, Measurement, Problem, constant

Kind = Literal["encoder", "untrained", "raw", "method", "majority", "scratch", "random"]
"""What a row is: the encoder on trial, a floor (`untrained`, `raw`, `scratch`, `majority`, `random` choice), or a rival
`method`."""
FLOORS: tuple[Kind, ...] = ("raw", "untrained", "scratch")


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


@dataclass(frozen=True, eq=False)
class PredictedRow:
    """Something that was fitted elsewhere and brings its predictions, such as a network trained from scratch."""

    name: str
    kind: Kind
    predictions: Callable[[Bench], Mapping[Key, Tensor]]
    """Split -> (task, metric) -> classes of its test part, long `[S, M]`, a row a draw; called where they are not
    remembered."""
    protocol: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, Any] | None = None
    """As that of a `Row`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Setup(ABC):
    """Labelled samples, which of them are tested, and what is learnt from for that."""

    classes: Sequence[str]
    """The classes' names, in the order of their labels."""
    protocol: Mapping[str, Any] = field(default_factory=dict)
    """What holds for all rows: data, split, hash."""
    seed: int = 0
    sizes: Sequence[int] = SIZES
    """Labels per class for the tasks `few-label` and `semi`."""
    totals: Sequence[int] = ()
    """Labels in all, drawn evenly from the classes, in place of `sizes`."""
    draws: int = DRAWS
    balanced: bool = False
    """Whether accuracies are balanced: the mean of the classes' recalls (unweighted average recall)."""

    @abstractmethod
    def measure(self, row: Row | PredictedRow, tasks: Sequence[str]) -> Iterator[tuple[Key, Measurement]]:
        """All measurements of one row, of who was right; its features live no longer than this."""

    @abstractmethod
    def constant(self, task: str) -> Tensor:
        """Float `[1, M]`: what each test sample scores where all samples look the same."""

    @abstractmethod
    def scoring(self, task: str) -> Scoring:
        """How the M test samples make the number of a `task`."""

    @abstractmethod
    def sizes_of_classes(self) -> Tensor:
        """Long `[C]`, how many labelled samples each class has."""

    @abstractmethod
    def certainty(self, task: str, correct: Tensor) -> Mapping[str, Any]:
        """What the interval around the number of `correct [S, M]` is over."""

    def scored(self, found: Mapping[Key, Measurement]) -> dict[Key, Measurement]:
        """The measurements `found` by the measure that was asked for."""
        if not self.balanced:
            return dict(found)
        told = {}
        for (task, metric), each in found.items():
            if each.correct is None or task in RANKED:
                told[task, metric] = each
                continue
            name, value = f"{metric}{BALANCED}", self.scoring(task).value(each.correct)
            told[task, name] = replace(each, metric=name, value=value)
        return told


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench(Setup):
    """Data with labels, split once.

    Raises `DataError` where the labels cannot judge anything, and `UsageError` where they cannot serve `totals`.
    """

    train: Samples
    train_labels: Tensor
    """Long `[N]`."""
    test: Samples
    test_labels: Tensor
    """Long `[M]`."""
    val: tuple[Samples, Tensor] | None = None
    groups: Tensor | None = None
    """Long `[N]`, -1 for none: training samples that are held out together where something is to be chosen."""
    train_units: Tensor | None = None
    """Long `[N]`, equal for pieces of one training sample, which are labelled together; None where all are whole."""
    units: Tensor | None = None
    """Long `[M]`, equal for pieces of one test sample, which are resampled together; None where all are whole."""
    partial: bool = False
    """Whether the test part may lack classes, being one fold of several."""

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
            if missing and not (part == "test" and self.partial):
                raise DataError(
                    f"the {part} part has {len(labels)} samples and none of {_listed(missing)}: add labelled samples "
                    "of each class, split the data anew with a larger part, or leave the class out"
                )
        _, own = wholes(self.train_labels, self.train_units)
        amounts(len(self.classes), own, self.sizes, self.totals)  # told before anything is computed

    def measure(self, row: Row | PredictedRow, tasks: Sequence[str]) -> Iterator[tuple[Key, Measurement]]:
        if isinstance(row, PredictedRow):
            for (task, metric), found in row.predictions(self).items():
                yield (task, metric), Measurement.of(metric, found == self.test_labels, row.protocol)
            return
        train = must_be_finite(row.features(self.train), row.name)
        test = must_be_finite(row.features(self.test), row.name)
        val = (row.features(self.val[0]), self.val[1]) if self.val else None
        problem = replace(self.problem(train, test), val=val, pairs=row.pairs() if row.pairs else None)
        with console.progress(row.name, len(tasks)) as tick:
            for number, task in enumerate(tasks):
                tick(number, task)
                yield from solved(problem, task, row.protocol)

    def problem(self, train: Tensor, test: Tensor) -> Problem:
        """What the tasks read, for features of the two parts."""
        return Problem(
            train,
            self.train_labels,
            test,
            self.test_labels,
            len(self.classes),
            groups=self.groups,
            units=self.train_units,
            seed=self.seed,
            sizes=self.sizes,
            totals=self.totals,
            draws=self.draws,
        )

    def constant(self, task: str) -> Tensor:
        return constant(self.train_labels, self.test_labels, len(self.classes), task)

    def scoring(self, task: str) -> Scoring:
        return Scoring(self.test_labels if self.balanced and task not in RANKED else None, units=self.units)

    def sizes_of_classes(self) -> Tensor:
        return torch.bincount(torch.cat([self.train_labels, self.test_labels]), minlength=len(self.classes))

    def certainty(self, task: str, correct: Tensor) -> Mapping[str, Any]:
        told = {"interval": LEVEL, "resamples": RESAMPLES, "test_samples": correct.shape[1], "seed": self.seed}
        if self.units is None:
            return told
        wholes = len(torch.unique(self.units))
        return {**told, "resampled": f"{wholes} whole samples, which the test samples are pieces of"}


def solved(problem: Problem, task: str, protocol: Mapping[str, Any]) -> Iterator[tuple[Key, Measurement]]:
    """What a task of `TASKS` says about a problem."""
    for measured in TASKS[task](problem):
        known = {"dimension": problem.train.shape[1], **protocol, **measured.protocol}
        yield (task, measured.metric), replace(measured, protocol=known)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more classes"
