"""One head from several starts: what pre-training is worth to boxes, tags and transcripts.

The skeleton of their examinations: the same head, trained with the same steps on the same draws of few and on all
samples, from the pre-trained encoder and from random weights, each learning as a whole and standing still under it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from tacit.config import merge
from tacit.console import say
from tacit.core import Encoder
from tacit.data.dataset import Dataset, Subset
from tacit.data.listing import printable
from tacit.encoder import TrainedEncoder
from tacit.engine import loop, order
from tacit.engine.settings import Budget, EngineConfig, Optimiser
from tacit.errors import DataError, UsageError
from tacit.evaluation.bench import Evaluation, Kind
from tacit.evaluation.features import sample_of
from tacit.evaluation.resampled import Resampled, compare_both, sample_weights
from tacit.evaluation.verdict import figure
from tacit.heads import HEADS
from tacit.heads.finetune import Finetune, respond
from tacit.heads.head import Answers, Head, Targets
from tacit.proving.outcome import name_of
from tacit.proving.proof import untrained
from tacit.truth import TRUTH

SCRATCH = "from scratch"


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


@dataclass(frozen=True, eq=False)
class Trial:
    """What all rows share: the labelled samples, what is tested on, and how."""

    encoder: TrainedEncoder
    dataset: Dataset
    task: str
    head: Head
    """A head that is not trained: it judges, and answers without looking."""
    train: Subset
    targets: Targets
    test: Subset
    test_targets: Targets
    weights: Tensor
    """`[1 + R, M]`, how often each test sample counts; the first row is of ones."""
    seed: int
    effort: Effort
    protocol: Mapping[str, Any]

    @property
    def steps(self) -> dict[int, int]:
        """Number of labelled samples -> steps on them, in rising order."""
        few = {size: steps for size, steps in sorted(self.effort.steps.items()) if size < len(self.train)}
        return {**few, len(self.train): self.effort.steps_all}

    def draws(self, size: int) -> int:
        """How often `size` samples are drawn."""
        return (size == len(self.train) and self.effort.draws_all) or self.effort.draws

    def drawn(self, size: int, number: int) -> Tensor:
        """Rows of the training part: the first ones of a permutation, so that fewer are among more."""
        generator = torch.Generator().manual_seed(order.fold("draw", self.seed, number))
        return torch.randperm(len(self.train), generator=generator)[:size]

    def metric(self, name: str, size: int) -> str:
        """What a metric is called that was reached with `size` samples."""
        return f"{name}, {'all' if size == len(self.train) else size} {self.encoder.modality.unit}"

    def words(self, size: int) -> str:
        """A number of labelled samples in words."""
        return f"{'all ' if size == len(self.train) else ''}{size:,} labelled {self.encoder.modality.unit}"


@dataclass(frozen=True)
class Floor:
    """A row that learns no network."""

    name: str
    kind: Kind
    answers: Callable[[Trial, Tensor], Answers]
    """(trial, rows of the training part) -> answers about the test part."""


@dataclass(frozen=True)
class Start:
    """A row: where the network starts from, and what of it learns."""

    name: str
    kind: Kind
    network: Callable[[int], Encoder]
    """Seed -> the encoder to start from, free to be changed."""
    freeze: Literal["all", "none"] = "none"


def blind(trial: Trial, rows: Tensor) -> Answers:
    """The answers of who knows the truth about `rows` and looks at nothing."""
    return trial.head.blind(trial.targets.select(rows), len(trial.test))


def trial_of(
    encoder: TrainedEncoder, dataset: Dataset, task: str, effort: Effort, *, what: str, seed: int, max_bad: float
) -> Trial:
    """The samples of `dataset` with a truth for `task`, split; `what` one of them has: `a box`.

    Raises `DataError` where there are none to learn from or to judge by, and `UsageError` for other kinds of data.
    """
    kind, modality = HEADS[task], encoder.modality
    missing = kind.needs() - modality.offers
    if missing:
        raise UsageError(f"task {task} needs {', '.join(sorted(missing))}, which {modality.name} data do not have")
    targets, known = TRUTH[task](dataset, max_bad)
    everything = dataset.everything()
    parts = {}
    for part in ("train", "test"):
        dataset.part(part)  # says what parts there are where this one is missing
        rows = torch.from_numpy(dataset.parts[part])
        rows = rows[known[rows]]
        if len(rows) < 2:
            raise DataError(
                f"{'no sample' if not len(rows) else 'a single sample'} of the {part} part of "
                f"{printable(dataset.name)} has {what}: --task {task} takes some in the training and in the test part "
                f"({dataset.protocol})"
            )
        parts[part] = (everything.select(rows), targets.select(rows))
    train, test = parts["train"], parts["test"]
    sample = train[0].view(torch.arange(2)).to(encoder.device)
    head = kind(kind.Config(name=task), encoder.network, sample, targets.classes)
    weights = torch.cat([torch.ones(1, len(test[0]), dtype=torch.float64), sample_weights(len(test[0]), seed=seed)])
    protocol = {
        "data": dataset.name,
        "content_hash": dataset.content_hash,
        "split": dataset.protocol,
        "layout": encoder.layout.brief(),
        "batch": effort.batch,
        "optimiser": _optimiser(kind).model_dump(),
        "head": kind.Config(name=task).model_dump(),
        "views": f"weak, as the encoder was trained, but for the recipe of {task}",
        "epoch": "last",
        "test_samples": len(test[0]),
    }
    return Trial(encoder, dataset, task, head, *train, *test, weights, seed, effort, protocol)


def judged(trial: Trial, metrics: Sequence[str], floors: Sequence[Floor]) -> Evaluation:
    """The rows of all starts and floors, by `metrics`, the deciding one first."""
    encoder, name = trial.encoder, name_of(trial.encoder)
    starts = (
        Start(name, "encoder", lambda _: copy.deepcopy(encoder.network)),
        Start(f"{name}, frozen", "encoder", lambda _: copy.deepcopy(encoder.network), "all"),
        Start(SCRATCH, "scratch", lambda number: untrained(encoder, trial.train, number)),
        Start("untrained, frozen", "untrained", lambda number: untrained(encoder, trial.train, number), "all"),
    )
    measured = [found for start in starts for found in _trained(trial, start, metrics)]
    measured += [found for floor in floors for found in _floor(trial, floor, metrics)]
    deciding = {trial.metric(metrics[0], size): trial.words(size) for size in trial.steps}
    return compare_both(trial.task, measured, (name, SCRATCH), deciding, seed=trial.seed)


def _optimiser(head: type[Head]) -> Optimiser:
    """As `tacit finetune` trains the head."""
    return Optimiser.parse(head.recipe.get("optimiser", {}))


def _trained(trial: Trial, start: Start, metrics: Sequence[str]) -> Iterator[Resampled]:
    for size, steps in trial.steps.items():
        found = []
        for number in range(trial.draws(size)):
            answers = _answers(trial, start, size, number)
            found.append(trial.head.judge(answers, trial.test_targets)(trial.weights))
            reached = figure(float(found[-1][metrics[0]][0]))
            say(f"{start.name}, {trial.words(size)}, draw {number + 1}: {metrics[0]} {reached}")
        protocol = {**trial.protocol, "steps": steps, "freeze": start.freeze, "samples": size, "draws": len(found)}
        yield from _results(trial, (start.name, start.kind), size, metrics, found, protocol)


def _answers(trial: Trial, start: Start, size: int, number: int) -> list[Answers]:
    """The answers to the test part of a network that was trained on `size` samples, draw `number`."""
    kind, rows = HEADS[trial.task], trial.drawn(size, number)
    some, targets, device = trial.train.select(rows), trial.targets.select(rows), trial.encoder.device
    network = start.network(number)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(order.fold(trial.task, trial.seed, number))
        head = kind(kind.Config(name=trial.task), network, sample_of(some).to(device), targets.classes).to(device)
    head.prepare(targets)
    # a fresh network has nothing that the noise of a fresh head could spoil
    alone = {"linear": 0.0} if start.kind == "scratch" else {}
    settings = merge(kind.recipe.get("method", {}), {"freeze": start.freeze, **alone})
    learner = Finetune(Finetune.Config.parse(settings), network, head, targets)
    config = EngineConfig(
        optimiser=_optimiser(kind),
        budget=Budget(steps=trial.steps[size]),
        batch=min(trial.effort.batch, len(some)),
        seed=order.fold(trial.task, trial.seed, number) % 2**31,
        evaluations=0,
    )
    modality = trial.encoder.modality
    own = merge(kind.recipe.get("modality", {}), modality.recipes.get(trial.task, {}).get("modality", {}))
    views = modality.augment(modality.config.parse(merge(trial.encoder.spec.modality, own)))
    loop.fit(learner, some, views, config)
    learner.eval()
    return [said for _, said in respond(learner.backbone, head, trial.test, device=device)]


def _floor(trial: Trial, floor: Floor, metrics: Sequence[str]) -> Iterator[Resampled]:
    judge = trial.head.judge
    for size in trial.steps:
        rows = [trial.drawn(size, number) for number in range(trial.draws(size))]
        found = [judge([floor.answers(trial, each)], trial.test_targets)(trial.weights) for each in rows]
        protocol = {**trial.protocol, "samples": size}
        yield from _results(trial, (floor.name, floor.kind), size, metrics, found, protocol)


def _results(
    trial: Trial,
    row: tuple[str, Kind],
    size: int,
    metrics: Sequence[str],
    found: Sequence[Mapping[str, Tensor]],
    protocol: Mapping[str, Any],
) -> Iterator[Resampled]:
    others = {key: [round(float(one[key][0]), 4) for one in found] for key in found[0] if key not in metrics}
    for metric in metrics:
        together = torch.stack([one[metric] for one in found])
        facts = {**protocol, "others": others}
        yield Resampled(*row, trial.metric(metric, size), together[:, 0], together[:, 1:], facts)
