"""The tasks that judge features: a plain table of functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from tacit.evaluation import few_label, health, linear, propagation, ridge
from tacit.evaluation.knn import neighbours, vote
from tacit.evaluation.retrieval import by_class


@dataclass(frozen=True, eq=False)
class Problem:
    """Features and labels of one row: all that a task may read."""

    train: Tensor
    """`[N, D]`."""
    labels: Tensor
    """Long `[N]`."""
    test: Tensor
    """`[M, D]`."""
    test_labels: Tensor
    """Long `[M]`."""
    classes: int
    val: tuple[Tensor, Tensor] | None = None
    """Features and labels of the data's own validation part."""
    groups: Tensor | None = None
    """Long `[N]`, -1 for none: training samples that are held out together where a penalty is chosen."""
    units: Tensor | None = None
    """Long `[N]`, equal for pieces of one training sample, which are drawn together; None where all are whole."""
    pairs: tuple[Tensor, Tensor] | None = None
    """Features `[B, D]` of two views of the same samples."""
    seed: int = 0
    sizes: Sequence[int] = few_label.SIZES
    totals: Sequence[int] = ()
    draws: int = few_label.DRAWS

    def drawn(self) -> Mapping[str, Tensor]:
        """The few labels of all tasks and rows: metric -> rows of the training part, long `[S, L]`."""
        return few_label.drawn(
            self.labels, self.classes, self.sizes, self.totals, units=self.units, draws=self.draws, seed=self.seed
        )


@dataclass(frozen=True, eq=False)
class Measurement:
    """One number about one row."""

    metric: str
    value: float
    correct: Tensor | None = None
    """Float `[S, M]`, which test samples were right in which draw, or a score from 0 to 1 of each, whose mean is the
    value; None where the number is no such mean."""
    protocol: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, metric: str, correct: Tensor, protocol: Mapping[str, Any]) -> Measurement:
        """An accuracy or another mean score, from `correct [S, M]`."""
        kept = correct.float()
        return cls(metric, kept.double().mean().item(), kept, protocol)


Key = tuple[str, str]
"""(task, metric), such as `("few-label", "10")`."""
Task = Callable[[Problem], Iterator[Measurement]]
VOTES = ((20, 0.07), (200, 0.1))
"""The numbers of neighbours and the temperatures in use."""
RANKS = (1, 5, 10)
"""Where the precision of a ranking is read."""


def nearest_neighbours(problem: Problem) -> Iterator[Measurement]:
    """Cosine kNN with the two settings of `VOTES`."""
    near, which = neighbours(problem.train, problem.test, max(k for k, _ in VOTES))
    for k, temperature in VOTES:
        used = min(k, len(problem.train))
        found = vote(near[:, :used], which[:, :used], problem.labels, problem.classes, temperature)
        protocol = {"k": used, "temperature": temperature, "distance": "cosine, centred on the training mean"}
        if used < k:
            protocol["note"] = f"k = {k} was lowered to the {used} training samples there are"
        yield Measurement.of(f"k={k}", (found == problem.test_labels)[None], protocol)


def linear_probe(problem: Problem) -> Iterator[Measurement]:
    """Logistic regression on all labels."""
    probe = linear.linear_probe(
        problem.train,
        problem.labels,
        problem.test,
        problem.classes,
        val=problem.val,
        groups=problem.groups,
        seed=problem.seed,
    )
    protocol = {"C": probe.c, "tuned_on": linear.tuned_on(problem.val, problem.groups), "grid": list(linear.GRID)}
    yield Measurement.of("all", (probe.predictions == problem.test_labels)[None], protocol)


def ridge_regression(problem: Problem) -> Iterator[Measurement]:
    """Ridge regression on all labels, where features are narrow enough or rows few enough for a closed form."""
    if min(problem.train.shape) > ridge.WIDEST:
        return
    probe = ridge.ridge_probe(
        problem.train,
        problem.labels,
        problem.test,
        problem.classes,
        val=problem.val,
        groups=problem.groups,
        seed=problem.seed,
    )
    protocol = {
        "penalty": probe.c,
        "tuned_on": linear.tuned_on(problem.val, problem.groups),
        "grid": list(ridge.PENALTIES),
    }
    yield Measurement.of("all", (probe.predictions == problem.test_labels)[None], protocol)


def few_labels(problem: Problem) -> Iterator[Measurement]:
    """Logistic regression on a handful of labels, the mean over paired draws."""
    drawn = problem.drawn()
    answers = few_label.few_label(
        problem.train,
        problem.labels,
        problem.test,
        problem.classes,
        list(drawn.values()),
        problem.groups,
        problem.units,
    )
    for (metric, rows), found in zip(drawn.items(), answers, strict=True):
        protocol = {"C": found.c, **_draws(problem, rows)}
        yield Measurement.of(metric, found.predictions == problem.test_labels, protocol)


def semi(problem: Problem) -> Iterator[Measurement]:
    """Label propagation from the labels of `few-label`, at the same draws, through all training features."""
    drawn = problem.drawn()
    answers = propagation.propagate(problem.train, problem.labels, problem.test, problem.classes, list(drawn.values()))
    for (metric, rows), found in zip(drawn.items(), answers, strict=True):
        known = len(few_label.unrepeated(rows[0]))
        protocol = {**propagation.PROTOCOL, "unlabelled": len(problem.train) - known, **_draws(problem, rows)}
        yield Measurement.of(metric, found == problem.test_labels, protocol)


def _draws(problem: Problem, rows: Tensor) -> Mapping[str, Any]:
    told = {"labels": rows.shape[1], "draws": problem.draws, "draw_seed": problem.seed, "balance": "by class"}
    if problem.units is None:
        return told
    return {**told, "labels": len(torch.unique(problem.units[rows[0]])), "labelled": "whole samples, with all pieces"}


def retrieval(problem: Problem) -> Iterator[Measurement]:
    """Test samples look for their class in the training part: precision among the first k, mean average precision."""
    ks = [k for k in RANKS if k <= len(problem.train)]
    scores = by_class(problem.train, problem.labels, problem.test, problem.test_labels, ks)
    protocol = {
        "gallery": f"train, {len(problem.train)}",
        "queries": f"test, {len(problem.test)}",
        "relevant": "of the query's class",
        "distance": "cosine, centred on the training mean",
        "ties": "share their precision",
    }
    for metric, score in zip([*(f"P@{k}" for k in ks), "mAP"], scores, strict=True):
        yield Measurement.of(metric, score[None], protocol)


def healthy(problem: Problem) -> Iterator[Measurement]:
    """RankMe and its kin on the test part, and alignment where pairs of views are at hand."""
    test = problem.test
    protocol = {"part": "test", "dimension": test.shape[1], "rows": min(len(test), health.ROWS)}
    yield Measurement("rankme", health.rankme(test), protocol=protocol)
    yield Measurement("effective rank", health.effective_rank(test), protocol=protocol)
    yield Measurement("uniformity", health.uniformity(test), protocol=protocol)
    if problem.pairs:
        pairs = {"rows": len(problem.pairs[0]), "pairs": "two augmented views of a sample"}
        yield Measurement("alignment", health.alignment(*problem.pairs), protocol=pairs)
    yield Measurement("dead dimensions", float(health.dead_dimensions(test)), protocol=protocol)
    yield Measurement("std", health.spread(test), protocol=protocol)


TASKS: Mapping[str, Task] = {
    "knn": nearest_neighbours,
    "linear": linear_probe,
    "ridge": ridge_regression,
    "few-label": few_labels,
    "semi": semi,
    "health": healthy,
    "retrieval": retrieval,
}
"""Name -> task. To add one, add a line."""
DEFAULT_TASKS = ("knn", "linear", "few-label", "health")
"""Those that take no longer than the features do."""
RANKED = ("retrieval",)
"""Those whose scores are of rankings, which have no classes to be balanced."""


def constant(labels: Tensor, test_labels: Tensor, classes: int, task: str) -> Tensor:
    """Float `[1, M]`: what each test sample scores where all samples look the same.

    The most frequent training class is then the answer to all; a ranking has no order, and finds the class of a query
    as often as the training part holds it.
    """
    count = torch.bincount(labels, minlength=classes)
    if task == "retrieval":
        return (count[test_labels] / len(labels))[None]
    return (test_labels == count.argmax())[None].float()
