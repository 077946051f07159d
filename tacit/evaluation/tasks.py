"""The tasks that judge features: a plain table of functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from tacit.evaluation import few_label, health, linear
from tacit.evaluation.knn import knn


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
    pairs: tuple[Tensor, Tensor] | None = None
    """Features `[B, D]` of two views of the same samples."""
    seed: int = 0
    sizes: Sequence[int] = few_label.SIZES
    draws: int = few_label.DRAWS


@dataclass(frozen=True, eq=False)
class Measurement:
    """One number about one row."""

    metric: str
    value: float
    correct: Tensor | None = None
    """Float `[S, M]`, which test samples were right in which draw; None where the number is no accuracy."""
    protocol: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, metric: str, correct: Tensor, protocol: Mapping[str, Any]) -> Measurement:
        """An accuracy, from `correct [S, M]`."""
        return cls(metric, correct.double().mean().item(), correct.float(), protocol)


Key = tuple[str, str]
"""(task, metric), such as `("few-label", "10")`."""
Task = Callable[[Problem], Iterator[Measurement]]


def nearest_neighbours(problem: Problem) -> Iterator[Measurement]:
    """Cosine kNN with the two settings in use: k = 20, T = .07 and k = 200, T = .1."""
    for k, temperature in ((20, 0.07), (200, 0.1)):
        used = min(k, len(problem.train))
        found = knn(problem.train, problem.labels, problem.test, problem.classes, k=used, temperature=temperature)
        protocol = {"k": used, "temperature": temperature, "distance": "cosine, centred on the training mean"}
        if used < k:
            protocol["note"] = f"k = {k} was lowered to the {used} training samples there are"
        yield Measurement.of(f"k={k}", (found == problem.test_labels)[None], protocol)


def linear_probe(problem: Problem) -> Iterator[Measurement]:
    """Logistic regression on all labels."""
    probe = linear.linear_probe(
        problem.train, problem.labels, problem.test, problem.classes, val=problem.val, seed=problem.seed
    )
    tuned = "the validation part" if problem.val else f"{linear.HELD_OUT:.0%} of train, drawn by class, then refitted"
    protocol = {"C": probe.c, "tuned_on": tuned, "grid": list(linear.GRID)}
    yield Measurement.of("all", (probe.predictions == problem.test_labels)[None], protocol)


def few_labels(problem: Problem) -> Iterator[Measurement]:
    """Logistic regression on 1, 2, 5, ... labels per class, the mean over paired draws."""
    for size in few_label.fitting_sizes(problem.labels, problem.classes, problem.sizes):
        found = few_label.few_label(
            problem.train,
            problem.labels,
            problem.test,
            problem.classes,
            size,
            draws=problem.draws,
            seed=problem.seed,
        )
        protocol = {"C": few_label.C, "draws": problem.draws, "draw_seed": problem.seed}
        yield Measurement.of(str(size), found == problem.test_labels, protocol)


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
    "few-label": few_labels,
    "health": healthy,
}
"""Name -> task. To add one, add a line."""


def constant(labels: Tensor, test_labels: Tensor, classes: int) -> Tensor:
    """Float `[1, M]`: which test samples the most frequent training class gets right."""
    return (test_labels == torch.bincount(labels, minlength=classes).argmax())[None].float()
