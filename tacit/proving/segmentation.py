"""Does pre-training help to tell what every cell shows? The rows of `tacit evaluate --task segment`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from tacit import interrupt
from tacit.console import say
from tacit.core import Encoder, View
from tacit.encoder import TrainedEncoder
from tacit.engine import loop, order
from tacit.engine.settings import Budget, EngineConfig, Optimiser
from tacit.evaluation import segment as frozen
from tacit.evaluation.bench import Evaluation, Kind, Result
from tacit.evaluation.features import inference, sample_of
from tacit.evaluation.overlap import accuracy, iou, mean_iou, tally, weighted
from tacit.evaluation.resampled import Resampled, compare_both
from tacit.evaluation.verdict import figure
from tacit.heads.finetune import Finetune, respond
from tacit.heads.segment import Segment, occurrences
from tacit.nn.pyramid import joined
from tacit.proving.masked import Trial, trial_of
from tacit.proving.outcome import Proof
from tacit.proving.proof import UNTRAINED, untrained

TASK = "segment"
STEPS, STEPS_ALL = 300, 600
"""Steps of the networks that learn as a whole, from few labelled samples and from all. From random weights 100 were too
few: on CamVid's 10 images they ended at a mean IoU of .26, 300 at .29 and 600 at .30."""
SCRATCH = "from scratch"
BATCH = 8
OPTIMISER = Optimiser(lr=2e-3, weight_decay=0.05, warmup=0.1)


def segment(encoder: TrainedEncoder, data: str, *, seed: int = 0, max_bad: float = 0.01) -> Proof:
    """Judge `encoder` by what its maps know of the masks in `data`, beside its floors.

    Learning as a whole: a light decoder on the pre-trained encoder and on random weights, from 10, 50 and all labelled
    samples, with the same steps and draws. Frozen: on the cells of the maps, logistic regression from the same samples,
    nearest neighbours, and k-means matched to the classes; the same for untrained encoders and for raw values. All of
    it as mean IoU on the test part, with intervals over draws and test samples.

    Raises:
        DataError: there are no masks to learn from or to judge by.
        UsageError: the encoder has no maps.
    """
    with interrupt.listening():
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        trial = trial_of(encoder, dataset, seed=seed, max_bad=max_bad)
        name = str(encoder.spec.training.get("method", encoder.spec.encoder["name"]))
        return Proof(_judged(trial, _rows(trial, name)), dataset, encoder, "segmentation")


Found = Mapping[str, Sequence[Tensor]]
"""How the answers came about -> tallies `[S, M, 3, K]` of each member of a row, such as untrained encoders by seed."""


@dataclass(frozen=True, eq=False)
class Row:
    """A row of the table: how it is called, what it is, and what was counted."""

    name: str
    kind: Kind
    found: Found
    protocol: Mapping[str, Any]


def _rows(trial: Trial, name: str) -> Iterator[Row]:
    """What learns as a whole, the encoder on trial first; then what is frozen, again with it first."""
    encoder, train = trial.encoder, trial.train
    probes = {"C": frozen.C, "cells": frozen.CELLS, "bank": frozen.BANK, "k": frozen.NEIGHBOURS, "draws": frozen.DRAWS}
    learnt = {
        "head": Segment.Config().model_dump(),
        "batch": BATCH,
        "optimiser": OPTIMISER.model_dump(),
        "epoch": "last",
    }
    starts: Mapping[str, tuple[Kind, Callable[[int], Encoder]]] = {
        name: ("encoder", lambda _: copy.deepcopy(encoder.network)),
        SCRATCH: ("scratch", lambda number: untrained(encoder, train, number)),
    }
    for title, (kind, start) in starts.items():
        yield Row(title, kind, _fitted(trial, start, title), learnt)
    fresh = [untrained(encoder, train, number) for number in range(UNTRAINED)]
    for title, kind, networks in (
        (f"{name}, frozen", "encoder", [encoder.network]),
        ("untrained, frozen", "untrained", fresh),
        ("raw values + place", "raw", [None]),
    ):
        yield Row(title, kind, _frozen(trial, networks, title), probes)
    yield Row(Segment.floor, "majority", _blind(trial), {})


def _frozen(trial: Trial, networks: Sequence[Encoder | None], title: str) -> Found:
    """What frozen features say; None stands for raw values."""
    found: dict[str, list[Tensor]] = {}
    scene = trial.scene
    for network in networks:
        dense = _dense(trial, network)
        answers: dict[str, list[frozen.Answer]] = {}
        for size in trial.sizes:
            gathered = [frozen.gather(dense, scene.train, scene.train_masks, rows, scene) for rows in trial.rows(size)]
            answers[trial.labelled(size)] = [frozen.linear(x, y, scene.classes) for x, y in gathered]
        x, y = gathered[-1]
        some = torch.linspace(0, len(x) - 1, min(len(x), frozen.BANK)).long()
        answers["kNN"] = [frozen.nearest(x[some], y[some], scene.classes)]
        answers["k-means"] = [frozen.clustered(x[some], y[some], scene.classes, trial.seed)]
        for how, tallies in frozen.judge(dense, answers, scene, title).items():
            found.setdefault(how, []).append(tallies)
    return found


def _dense(trial: Trial, network: Encoder | None) -> frozen.Dense:
    def raw(view: View) -> Tensor:
        return frozen.raw_values(view.x, trial.grid)

    def maps(view: View) -> Tensor:
        assert network is not None
        with inference(network):
            return frozen.with_place(joined(network(view.to(trial.encoder.device)).maps, trial.protocol["stride"]))

    return raw if network is None else maps


def _fitted(trial: Trial, start: Callable[[int], Encoder], title: str) -> Found:
    """A decoder and its encoder, learning as a whole."""
    found = {}
    for size in trial.sizes:
        tallies = []
        for number, rows in enumerate(trial.rows(size)):
            tallies.append(_learnt(trial, start(number), rows, number))
            reached = figure(float(mean_iou(tallies[-1].sum(0))))
            say(f"{title}, {trial.labelled(size)}, draw {number + 1}: mIoU {reached}")
        found[trial.labelled(size)] = [torch.stack(tallies)]
    return found


def _learnt(trial: Trial, network: Encoder, rows: Tensor, number: int) -> Tensor:
    """Tallies `[M, 3, K]` of the test part after learning from the samples `rows`."""
    some, targets, device = trial.train.select(rows), trial.targets.select(rows), trial.encoder.device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(order.fold(TASK, trial.seed, number))
        head = Segment(Segment.Config(), network, sample_of(some).to(device), targets.classes).to(device)
    head.prepare(targets)
    learner = Finetune(Finetune.Config(linear=0.0, rate=1.0), network, head, targets)
    config = EngineConfig(
        optimiser=OPTIMISER,
        budget=Budget(steps=STEPS_ALL if len(rows) == len(trial.train) else STEPS),
        batch=min(BATCH, len(some)),
        seed=order.fold(TASK, trial.seed, number) % 2**31,
        evaluations=0,
    )
    modality = trial.encoder.modality
    loop.fit(learner, some, modality.augment(modality.config()), config)
    learner.eval()
    return torch.cat(
        [
            tally(said["masks"], trial.test_targets.masks(each), trial.scene.classes)
            for each, said in respond(
                learner.backbone, head, trial.test, batch=frozen.BATCH, device=device, title="test"
            )
        ]
    )


def _blind(trial: Trial) -> Found:
    """Whoever has seen the masks and looks at nothing."""
    truth = torch.arange(len(trial.test))
    found = {}
    for size in trial.sizes:
        usual = [occurrences(trial.targets.select(rows)).argmax(0) for rows in trial.rows(size)]
        tallies = [
            torch.cat(
                [
                    tally(each.expand(len(some), -1, -1), trial.test_targets.masks(some), trial.scene.classes)
                    for some in torch.split(truth, frozen.BATCH)
                ]
            )
            for each in usual
        ]
        found[trial.labelled(size)] = [torch.stack(tallies)]
    return found


def _judged(trial: Trial, rows: Iterator[Row]) -> Evaluation:
    """Mean IoU of every row with its interval, the share of right cells and the IoU of each class at all labels."""
    measured: list[Resampled] = []
    by_class: list[Result] = []
    everything = trial.labelled(len(trial.train))
    for row in rows:
        protocol = {**trial.protocol, **row.protocol}
        for how, members in row.found.items():
            measured.append(_resampled(trial, row, f"mIoU, {how}", members, mean_iou, protocol))
        if everything in row.found:
            members = row.found[everything]
            measured.append(_resampled(trial, row, f"accuracy, {everything}", members, accuracy, protocol))
            total = torch.stack([iou(each.sum(1)) for each in members]).mean((0, 1)).tolist()
            for name, value in zip(trial.targets.classes, total, strict=True):
                if value == value:  # a class that the test part does not hold has none
                    by_class.append(Result(row.name, row.kind, TASK, f"IoU {name}", value, None, None, protocol))
    return _concluded(trial, measured, by_class)


def _concluded(trial: Trial, measured: Sequence[Resampled], by_class: Sequence[Result]) -> Evaluation:
    """Two questions: the network that learns as a whole against all floors, and frozen features against frozen ones.

    It helped if the first answer is yes: what a network learns from the same labels alone is the floor that counts.
    """
    unit, ends = trial.encoder.modality.unit, (trial.sizes[0], trial.sizes[-1])
    words = {size: f"{'all' if size == len(trial.train) else size} labelled {unit}" for size in ends}
    deciding = {f"mIoU, {trial.labelled(size)}": said for size, said in words.items()}
    found = compare_both(TASK, measured, (measured[0].row, SCRATCH), deciding, seed=trial.seed)
    return replace(found, results=(*found.results, *by_class))


def _resampled(
    trial: Trial, row: Row, metric: str, members: Sequence[Tensor], measure: Callable[[Tensor], Tensor], protocol: Any
) -> Resampled:
    """A measure of one row in each draw, the mean over its members, and on resampled test samples."""
    values = torch.stack([measure(each.sum(1)) for each in members]).mean(0)
    draws = torch.stack([torch.stack([measure(weighted(trial.weights, one)) for one in each]) for each in members])
    return Resampled(row.name, row.kind, metric, values, draws.mean(0), protocol)
