"""What all rows of an examination share: the samples with a truth, how much is trained on them and how, what judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from tacit.config import merge
from tacit.core import KINDS
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.data.shelf import Kept, digest
from tacit.encoder import TrainedEncoder
from tacit.engine import order
from tacit.engine.settings import Optimiser
from tacit.errors import DataError, UsageError
from tacit.evaluation.resampled import sample_weights
from tacit.evaluation.verdict import figure
from tacit.heads import HEADS
from tacit.heads.finetune import Finetune
from tacit.heads.head import Answers, Head
from tacit.proving.keeping import SAID
from tacit.truth import TRUTH
from tacit.truth.parts import Part

FEWEST = 2
"""Samples that anything is learnt from."""


@dataclass(frozen=True)
class Effort:
    """How much is trained."""

    steps: Mapping[int, int]
    """Number of labelled samples -> optimiser steps on them; sets that are smaller leave it out."""
    steps_all: int
    """Steps on all labelled samples."""
    draws: int
    """Each changes which samples are drawn, the head's first weights, and the order of training."""
    batch: int = 8
    draws_all: int | None = None
    """With all labelled samples; as many as else where it is None."""
    evaluations: int = 0
    """Looks at the validation part; whatever does best there is kept."""

    def sizes(self, totals: Sequence[int], count: int, unit: str) -> list[int]:
        """How many of `count` labelled samples are learnt from, in rising order: `totals`, or its own and all.

        Raises `UsageError` where there are not so many.
        """
        if totals and not FEWEST <= min(totals) <= max(totals) <= count:
            raise UsageError(f"--labels: give numbers from {FEWEST} to {count:,}, the {unit} there are to learn from")
        return sorted(set(totals)) or [*(size for size in sorted(self.steps) if size < count), count]


@dataclass(frozen=True)
class Recipe:
    """How a head and the encoder below it learn."""

    method: Mapping[str, Any]
    """Settings of `Finetune`."""
    optimiser: Optimiser
    views: Mapping[str, Any]
    """Settings of the modality."""

    @classmethod
    def of(cls, encoder: TrainedEncoder, task: str) -> Recipe:
        """As `tacit finetune` trains: the head's own recipe, on views as the encoder was trained."""
        recipe, own = HEADS[task].recipe, encoder.modality.recipes.get(task, {}).get("modality", {})
        return cls(
            recipe.get("method", {}),
            Optimiser.parse(recipe.get("optimiser", {})),
            merge(encoder.spec.modality, recipe.get("modality", {}), own),
        )


@dataclass(frozen=True, eq=False)
class Trial:
    """What all rows share."""

    encoder: TrainedEncoder
    dataset: Dataset
    task: str
    metrics: Sequence[str]
    """What is told of every row, the deciding one first."""
    train: Part
    val: Part | None
    test: Part
    unit: str
    """What a sample with its truth is called, in the plural."""
    sizes: Sequence[int]
    """How many labelled samples are learnt from, in rising order."""
    effort: Effort
    recipe: Recipe
    weights: Tensor
    """`[1 + R, M]`, how often each test sample counts; the first row is of ones."""
    seed: int
    protocol: Mapping[str, Any]
    head: Head
    """A head that is not trained: it judges, and answers without looking."""
    judge: Judge
    """(trial, rows and answers to the test part, batch by batch) -> what is kept of them, and what is said."""
    draw: Callable[[Trial, int, int], Tensor]
    """(trial, size, number of the draw) -> rows of the training part."""
    at_once: int = 256
    """Test samples that are answered at a time."""

    def steps(self, size: int) -> int:
        """Optimiser steps on `size` samples: those of the next larger number that has its own."""
        own = [number for number in self.effort.steps if number >= size]
        return self.effort.steps[min(own)] if own and size < len(self.train.samples) else self.effort.steps_all

    def draws(self, size: int) -> int:
        """How often `size` samples are drawn."""
        return (size == len(self.train.samples) and self.effort.draws_all) or self.effort.draws

    def drawn(self, size: int, number: int) -> Tensor:
        """Rows of the training part, long `[size]`."""
        return self.draw(self, size, number)

    def labelled(self, size: int) -> str:
        """A number of samples as the names of metrics have it."""
        return f"{'all' if size == len(self.train.samples) else size} {self.unit.removeprefix('labelled ')}"

    def metric(self, name: str, size: int) -> str:
        """What a metric is called that was reached with `size` samples."""
        return f"{name}, {self.labelled(size)}"

    def words(self, size: int) -> str:
        """A number of samples in words."""
        return f"{'all ' if size == len(self.train.samples) else ''}{size:,} {self.unit}"

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """All that no start changes, and that every outcome depends on."""
        return {
            "task": self.task,
            "content_hash": self.dataset.content_hash,
            "layout": dict(self.encoder.spec.layout),
            "truth": [_identity(part) for part in (self.train, self.test)],
            "seed": self.seed,
        }

    @cached_property
    def training(self) -> Mapping[str, Any]:
        """What trainings depend on beside `facts`, but for their start and their draw."""
        recipe = self.recipe
        return {
            "views": views_of(self.encoder, recipe.views),
            "method": dict(recipe.method),
            "optimiser": recipe.optimiser.model_dump(),
            "batch": self.effort.batch,
            "evaluations": self.effort.evaluations,
            "validation": _identity(self.val) if self.val and self.effort.evaluations else None,
            "at_once": self.at_once,
        }


def views_of(encoder: TrainedEncoder, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What fine-tuning sees by these settings of the modality, without the kinds of view that it does not ask for."""
    whole = encoder.modality.config.parse(settings).model_dump(mode="json")
    return {name: value for name, value in whole.items() if name not in KINDS or name in Finetune.views}


Judge = Callable[[Trial, Iterator[tuple[Tensor, Answers]]], Kept]


def scored(trial: Trial, found: Mapping[str, Tensor], notes: Mapping[str, Any] | None = None) -> Kept:
    """Metrics by name, `[1 + R]` each, as a trial keeps them; `notes` go into the protocol."""
    deciding = trial.metrics[0]
    return Kept(found, {SAID: f"{deciding} {figure(float(found[deciding][0]))}", **(notes or {})})


def by_head(trial: Trial, answers: Iterator[tuple[Tensor, Answers]]) -> Kept:
    """The head's own metrics."""
    return scored(trial, trial.head.judge([said for _, said in answers], trial.test.targets)(trial.weights))


def trial_of(
    encoder: TrainedEncoder,
    dataset: Dataset,
    task: str,
    parts: tuple[Part, Part | None, Part],
    effort: Effort,
    metrics: Sequence[str],
    *,
    seed: int,
    totals: Sequence[int] = (),
    draws: int | None = None,
    unit: str = "",
    judge: Judge = by_head,
) -> Trial:
    """A trial on `parts` (train, val, test) by the head of `task` and its `metrics`, the deciding one first.

    `totals` and `draws` as the user asks for them; `unit`: labelled samples where nothing is given. Raises `UsageError`
    where there are not so many samples, and where the encoder is none for the head.
    """
    train, val, test = parts
    unit = unit or f"labelled {encoder.modality.unit}"
    effort = replace(effort, draws=draws or effort.draws)
    sample = train.samples.view(torch.arange(min(2, len(train.samples)))).to(encoder.device)
    kind = HEADS[task]
    count = len(test.samples)
    return Trial(
        encoder=encoder,
        dataset=dataset,
        task=task,
        metrics=metrics,
        train=train,
        val=val,
        test=test,
        unit=unit,
        sizes=effort.sizes(totals, len(train.samples), unit),
        effort=effort,
        recipe=Recipe.of(encoder, task),
        weights=torch.cat([torch.ones(1, count, dtype=torch.float64), sample_weights(count, seed=seed)]),
        seed=seed,
        protocol={
            "data": dataset.name,
            "content_hash": dataset.content_hash,
            "split": dataset.protocol,
            "layout": encoder.layout.brief(),
            "test_samples": count,
        },
        head=kind(kind.Config(name=task), encoder.network, sample, train.targets.classes),
        judge=judge,
        draw=first_of_a_permutation,
    )


def first_of_a_permutation(trial: Trial, size: int, number: int) -> Tensor:
    """The usual draw: fewer are among more."""
    generator = torch.Generator().manual_seed(order.fold("draw", trial.seed, number))
    return torch.randperm(len(trial.train.samples), generator=generator)[:size]


def parts_of(
    encoder: TrainedEncoder, dataset: Dataset, task: str, *, what: str, max_bad: float
) -> tuple[Part, None, Part]:
    """The samples of the training and of the test part with a truth for `task`; `what` one of them has: `a box`.

    Raises `DataError` where there are none to learn from or to judge by, and `UsageError` for other kinds of data.
    """
    modality = encoder.modality
    missing = HEADS[task].needs() - modality.offers
    if missing:
        raise UsageError(f"task {task} needs {', '.join(sorted(missing))}, which {modality.name} data do not have")
    targets, known = TRUTH[task](dataset, max_bad)
    whole, parts = Part(dataset.everything(), targets), []
    for part in ("train", "test"):
        dataset.part(part)  # says what parts there are where this one is missing
        rows = torch.from_numpy(dataset.parts[part])
        rows = rows[known[rows]]
        if len(rows) < FEWEST:
            raise DataError(
                f"{'no sample' if not len(rows) else 'a single sample'} of the {part} part of "
                f"{printable(dataset.name)} has {what}: --task {task} takes some in the training and in the test part "
                f"({dataset.protocol})"
            )
        parts.append(whole.select(rows))
    return parts[0], None, parts[1]


def _identity(part: Part) -> str:
    """A hash of which samples they are, and of what is known about them."""
    return digest(part.samples.source_rows.tolist(), *part.targets.content())
