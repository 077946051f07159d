"""Cross-validation over folds that the data bring: each is tested once, by probes that learnt from all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from tacit import console
from tacit.core import Samples
from tacit.errors import DataError
from tacit.evaluation.bootstrap import LEVEL, Scoring
from tacit.evaluation.features import must_be_finite
from tacit.evaluation.setup import Bench, PredictedRow, Row, Setup, solved
from tacit.evaluation.tasks import RANKED, TASKS, Key, Measurement

WHOLE = "health"
"""The task that reads features alone, hence all of them at once."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold that is left out."""

    name: str
    bench: Bench
    """Its test part is this fold, its training part all others."""
    train: Tensor
    """Long `[N]`, rows of the whole set."""
    test: Tensor
    """Long `[M]`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Crossed(Setup):
    """Data with labels, in folds that are left out in turn.

    The number of a row is made of all test samples of all folds together, each tested once. Features are computed once
    for all folds: nothing that has labels may be in them. Raises `DataError` with fewer than two folds.
    """

    samples: Samples
    """The whole set."""
    folds: Sequence[Fold]

    def __post_init__(self) -> None:
        if len(self.folds) < 2:
            raise DataError(f"leaving out in turn takes two folds or more, and there are {len(self.folds)}")

    def measure(self, row: Row | PredictedRow, tasks: Sequence[str]) -> Iterator[tuple[Key, Measurement]]:
        if isinstance(row, PredictedRow):
            yield from joined([dict(fold.bench.measure(row, tasks)) for fold in self.folds])
            return
        x = must_be_finite(row.features(self.samples), row.name)
        found = []
        with console.progress(row.name, len(self.folds)) as tick:
            for number, fold in enumerate(self.folds):
                tick(number, fold.name)
                problem = fold.bench.problem(x[fold.train], x[fold.test])
                probed = (each for task in tasks if task != WHOLE for each in solved(problem, task, row.protocol))
                found.append(dict(probed))
        yield from joined(found)
        if WHOLE in tasks:
            pairs = row.pairs() if row.pairs else None
            for measured in TASKS[WHOLE](replace(problem, train=x, test=x, pairs=pairs)):
                known = {"dimension": x.shape[1], **row.protocol, **measured.protocol, "part": "all"}
                yield (WHOLE, measured.metric), replace(measured, protocol=known)

    def constant(self, task: str) -> Tensor:
        return torch.cat([fold.bench.constant(task) for fold in self.folds], 1)

    def scoring(self, task: str) -> Scoring:
        labels = torch.cat([fold.bench.test_labels for fold in self.folds])
        places = torch.cat([torch.full((len(fold.test),), number) for number, fold in enumerate(self.folds)])
        return Scoring(labels if self.balanced and task not in RANKED else None, places)

    def sizes_of_classes(self) -> Tensor:
        return self.folds[0].bench.sizes_of_classes()

    def certainty(self, task: str, correct: Tensor) -> Mapping[str, Any]:
        alone = self.scoring(task).by_fold(correct).tolist()
        return {
            "interval": LEVEL,
            "interval_over": f"{len(self.folds)} folds: jackknife, Student's t",
            "test_samples": correct.shape[1],
            "seed": self.seed,
            "folds": {fold.name: value for fold, value in zip(self.folds, alone, strict=True)},
        }


def joined(found: Sequence[Mapping[Key, Measurement]]) -> Iterator[tuple[Key, Measurement]]:
    """The measurements of all folds as one: test samples behind each other, what differs in the protocols as a list.

    What cannot be measured in one of them (more labels per class than it has) is measured in none.
    """
    for task, metric in found[0]:
        each = [fold[task, metric] for fold in found if (task, metric) in fold]
        right = [one.correct for one in each if one.correct is not None]
        if len(right) == len(found):
            protocol = {
                name: value
                if all(one.protocol.get(name) == value for one in each)
                else [one.protocol.get(name) for one in each]
                for name, value in each[0].protocol.items()
            }
            yield (task, metric), Measurement.of(metric, torch.cat(right, 1), protocol)
