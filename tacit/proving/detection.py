"""Does pre-training help to find things? `tacit evaluate --task detect`: one detector from several starts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from tacit import interrupt
from tacit.console import say
from tacit.core import Encoder
from tacit.data.dataset import Dataset, Subset
from tacit.encoder import TrainedEncoder
from tacit.engine import loop, order
from tacit.engine.settings import Budget, EngineConfig, Optimiser
from tacit.errors import DataError
from tacit.evaluation.bench import Kind
from tacit.evaluation.features import sample_of
from tacit.evaluation.resampled import Resampled, compare_both, sample_weights
from tacit.evaluation.verdict import figure
from tacit.heads.average_precision import scores
from tacit.heads.boxes import BoxTargets
from tacit.heads.detect import Detect, usual_boxes
from tacit.heads.finetune import Finetune, respond
from tacit.heads.head import Answers
from tacit.proving.outcome import Proof
from tacit.proving.proof import untrained
from tacit.truth.boxes import boxes

TASK = "detect"
BATCH = 8
OPTIMISER = Optimiser.parse(Detect.recipe["optimiser"])
"""As `tacit finetune --task detect` trains."""
METRICS = ("AP50", "AP")


@dataclass(frozen=True)
class Effort:
    """How much is trained."""

    steps: Mapping[int, int] = field(default_factory=lambda: {10: 100, 50: 150})
    """Number of labelled samples -> optimiser steps on them; sets that are smaller leave it out."""
    steps_all: int = 200
    """Steps on all labelled samples."""
    draws: int = 3
    """Each changes which samples are drawn, the head's first weights, and the order of training."""


@dataclass(frozen=True, eq=False)
class Trial:
    """What all rows share: the labelled samples, what is tested on, and how."""

    encoder: TrainedEncoder
    train: Subset
    targets: BoxTargets
    test: Subset
    test_targets: BoxTargets
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


@dataclass(frozen=True)
class Start:
    """A row: where the detector starts from, and what of it learns."""

    name: str
    kind: Kind
    network: Callable[[int], Encoder]
    """Seed -> the encoder to start from, free to be changed."""
    freeze: Literal["all", "none"] = "none"


def detect(
    encoder: TrainedEncoder, data: str, *, seed: int = 0, max_bad: float = 0.01, effort: Effort | None = None
) -> Proof:
    """Judge `encoder` by what it is worth to a detector of the boxes in `data`, beside its floors.

    The same detector is trained on 10, 50 and all labelled samples of the training part, with the same steps and
    draws, from the pre-trained encoder and from random weights, each learning as a whole and standing still under the
    detector; a floor that looks at nothing guesses the usual boxes. AP50 and AP of the test part are means over the
    draws, with intervals over draws and test samples. Raises `DataError` where there are no boxes to learn from or to
    judge by.
    """
    with interrupt.listening():
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        trial = _trial(encoder, dataset, seed, effort or Effort(), max_bad)
        name = str(encoder.spec.training.get("method", encoder.spec.encoder["name"]))
        starts = (
            Start(name, "encoder", lambda _: copy.deepcopy(encoder.network)),
            Start(f"{name}, frozen", "encoder", lambda _: copy.deepcopy(encoder.network), "all"),
            Start("from scratch", "scratch", lambda number: untrained(encoder, trial.train, number)),
            Start("untrained, frozen", "untrained", lambda number: untrained(encoder, trial.train, number), "all"),
        )
        measured = [found for start in starts for found in _measured(trial, start)]
        measured += _blind(trial)
        deciding = {_metric(METRICS[0], size, trial): _words(size, trial) for size in trial.steps}
        judged = compare_both(TASK, measured, (name, "from scratch"), deciding, seed=seed)
        return Proof(judged, dataset, encoder, "detection")


def _trial(encoder: TrainedEncoder, dataset: Dataset, seed: int, effort: Effort, max_bad: float) -> Trial:
    targets, known = boxes(dataset, max_bad)
    everything = dataset.everything()
    parts = {}
    for part in ("train", "test"):
        dataset.part(part)  # says what parts there are where this one is missing
        rows = torch.from_numpy(dataset.parts[part])
        rows = rows[known[rows]]
        if not (targets.labels[rows] >= 0).any():
            raise DataError(
                f"no sample of the {part} part of {dataset.name} has a box: detection takes some in the training and "
                f"in the test part ({dataset.protocol})"
            )
        parts[part] = (everything.select(rows), targets.select(rows))
    train, test = parts["train"], parts["test"]
    _say_missing(train[1], test[1])
    weights = torch.cat([torch.ones(1, len(test[0]), dtype=torch.float64), sample_weights(len(test[0]), seed=seed)])
    protocol = {
        "data": dataset.name,
        "content_hash": dataset.content_hash,
        "split": dataset.protocol,
        "layout": dict(encoder.spec.layout),
        "batch": BATCH,
        "optimiser": OPTIMISER.model_dump(),
        "head": Detect.Config().model_dump(),
        "views": "weak, of the default recipe",
        "epoch": "last",
        "test_samples": len(test[0]),
    }
    return Trial(encoder, *train, *test, weights, seed, effort, protocol)


def _say_missing(train: BoxTargets, test: BoxTargets) -> None:
    for number, name in enumerate(train.classes):
        missing = [part for part, some in (("training", train), ("test", test)) if not (some.labels == number).any()]
        if missing:
            say(f"note: no box of class {name!r} in the {' and the '.join(missing)} part")


def _measured(trial: Trial, start: Start) -> Iterator[Resampled]:
    """AP50 and AP at every budget."""
    for size, steps in trial.steps.items():
        found = []
        for number in range(trial.effort.draws):
            found.append(scores(_answers(trial, start, size, number), trial.test_targets)(trial.weights))
            reached = float(found[-1][METRICS[0]][0])
            say(f"{start.name}, {_words(size, trial)}, draw {number + 1}: {METRICS[0]} {figure(reached)}")
        protocol = {**trial.protocol, "steps": steps, "freeze": start.freeze, "samples": size, "draws": len(found)}
        yield from _results(trial, start.name, start.kind, size, found, protocol)


def _answers(trial: Trial, start: Start, size: int, number: int) -> list[Answers]:
    """The answers to the test part of a detector that was trained on `size` samples, draw `number`."""
    rows = _drawn(trial, size, number)
    some, targets, device = trial.train.select(rows), trial.targets.select(rows), trial.encoder.device
    sample = sample_of(some).to(device)
    network = start.network(number)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(order.fold("detect", trial.seed, number))
        head = Detect(Detect.Config(), network, sample, targets.classes).to(device)
    head.prepare(targets)
    learner = Finetune(
        Finetune.Config.parse({**Detect.recipe["method"], "freeze": start.freeze}), network, head, targets
    )
    config = EngineConfig(
        optimiser=OPTIMISER,
        budget=Budget(steps=trial.steps[size]),
        batch=min(BATCH, len(some)),
        seed=order.fold("detect", trial.seed, number) % 2**31,
        evaluations=0,
    )
    modality = trial.encoder.modality
    loop.fit(learner, some, modality.augment(modality.config()), config)
    learner.eval()
    return [said for _, said in respond(learner.backbone, head, trial.test, device=device)]


def _drawn(trial: Trial, size: int, number: int) -> Tensor:
    """Rows of the training part: the first ones of a permutation, so that fewer are among more."""
    generator = torch.Generator().manual_seed(order.fold("draw", trial.seed, number))
    return torch.randperm(len(trial.train), generator=generator)[:size]


def _blind(trial: Trial) -> Iterator[Resampled]:
    """The floor that has seen the labels and looks at nothing."""
    for size in trial.steps:
        draws = [trial.targets.select(_drawn(trial, size, number)) for number in range(trial.effort.draws)]
        said = [usual_boxes(targets, len(trial.test)) for targets in draws]
        found = [scores([one], trial.test_targets)(trial.weights) for one in said]
        yield from _results(trial, Detect.floor, "majority", size, found, {**trial.protocol, "samples": size})


def _results(
    trial: Trial, name: str, kind: Kind, size: int, found: Sequence[Mapping[str, Tensor]], protocol: Mapping[str, Any]
) -> Iterator[Resampled]:
    classes = {key: [round(float(one[key][0]), 4) for one in found] for key in found[0] if key not in METRICS}
    for metric in METRICS:
        together = torch.stack([one[metric] for one in found])
        facts = {**protocol, "others": classes}
        yield Resampled(name, kind, _metric(metric, size, trial), together[:, 0], together[:, 1:], facts)


def _metric(metric: str, size: int, trial: Trial) -> str:
    return f"{metric}, {'all' if size == len(trial.train) else size} {trial.encoder.modality.unit}"


def _words(size: int, trial: Trial) -> str:
    return f"{'all ' if size == len(trial.train) else ''}{size:,} labelled {trial.encoder.modality.unit}"
