"""Does pre-training help to tell what every cell shows? The rows of `tacit evaluate --task segment`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tacit import interrupt
from tacit.core import Encoder, View
from tacit.data.shelf import Kept
from tacit.encoder import TrainedEncoder
from tacit.engine.settings import Optimiser
from tacit.evaluation import segment as frozen
from tacit.evaluation.bench import Evaluation, Kind, Result
from tacit.evaluation.features import inference
from tacit.evaluation.overlap import accuracy, iou, mean_iou, tally, weighted
from tacit.evaluation.resampled import Resampled, compare_both
from tacit.evaluation.verdict import figure
from tacit.heads.head import Answers
from tacit.heads.masks import MaskTargets
from tacit.heads.segment import Segment, occurrences
from tacit.nn.pyramid import joined
from tacit.proving.fitting import UNTRAINED, untrained
from tacit.proving.keeping import SAID, Piece, carried_out
from tacit.proving.masked import Ground, ground_of
from tacit.proving.outcome import Proof
from tacit.proving.starts import SCRATCH, Start, at_random, pretrained, protocol_of, trained
from tacit.proving.trial import Effort, Recipe, Trial, parts_of, trial_of

TASK = "segment"
EFFORT = Effort(steps={10: 300, 50: 300}, steps_all=600, draws=frozen.DRAWS, batch=8, draws_all=1)
"""From random weights 100 steps were too few: on CamVid's 10 images they ended at a mean IoU of .26, 300 at .29 and 600
at .30."""
RECIPE = Recipe({"linear": 0.0, "rate": 1.0}, Optimiser(lr=2e-3, weight_decay=0.05, warmup=0.1), {})
TALLY = "tally"


def segment(
    encoder: TrainedEncoder,
    data: str,
    *,
    seed: int = 0,
    totals: Sequence[int] = (),
    draws: int | None = None,
    max_bad: float = 0.01,
    effort: Effort = EFFORT,
) -> Proof:
    """Judge `encoder` by what its maps know of the masks in `data`, beside its floors.

    Learning as a whole: a light decoder on the pre-trained encoder and on random weights, from `totals` of the labelled
    samples (10, 50 and all), with the same steps and draws. Frozen: on the cells of the maps, logistic regression from
    the same samples, nearest neighbours, and k-means matched to the classes; the same for untrained encoders and for
    raw values. All of it as mean IoU on the test part, with intervals over draws and test samples.

    Raises:
        DataError: there are no masks to learn from or to judge by.
        UsageError: the encoder has no maps.
    """
    with interrupt.listening():
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        parts = parts_of(encoder, dataset, TASK, what="a mask", max_bad=max_bad)
        ground = ground_of(encoder, dataset, parts[0], parts[2], seed=seed)
        trial = trial_of(encoder, dataset, TASK, parts, effort, ("mIoU",), seed=seed, totals=totals, draws=draws)
        protocol = {**trial.protocol, **ground.protocol}
        trial = replace(trial, recipe=RECIPE, judge=_judge, draw=_draw, at_once=frozen.BATCH, protocol=protocol)
        return Proof(_judged(trial, _rows(trial, ground)), dataset, encoder, "segmentation")


Found = Mapping[str, Sequence[Tensor]]
"""How the answers came about -> tallies `[S, M, 3, K]` of each member of a row, such as untrained encoders by seed."""


@dataclass(frozen=True, eq=False)
class Row:
    """A row of the table: how it is called, what it is, and what was counted."""

    name: str
    kind: Kind
    found: Found
    protocol: Mapping[str, Any]


def _draw(trial: Trial, size: int, number: int) -> Tensor:
    count = len(trial.train.samples)
    if size == count:
        return torch.arange(size)
    return frozen.draw(count, size, draws=number + 1, seed=trial.seed)[number]


def _judge(trial: Trial, answers: Iterator[tuple[Tensor, Answers]]) -> Kept:
    """Tallies `[M, 3, K]` of the test part."""
    targets = trial.test.targets
    assert isinstance(targets, MaskTargets)
    found = torch.cat([tally(said["masks"], targets.masks(each), len(targets.classes)) for each, said in answers])
    return Kept({TALLY: found}, {SAID: f"mIoU {figure(float(mean_iou(found.sum(0))))}"})


def _rows(trial: Trial, ground: Ground) -> Iterator[Row]:
    """What learns as a whole, the encoder on trial first; then what is frozen, again with it first."""
    starts = (pretrained(trial), at_random(trial))
    learnt = trained(trial, starts)
    for start in starts:
        found = {
            trial.labelled(size): [torch.stack([one.tensors[TALLY] for one in learnt[start.name, size]])]
            for size in trial.sizes
        }
        yield Row(start.name, start.kind, found, protocol_of(trial, start, trial.sizes[-1], trial.effort.draws))
    yield from _frozen(trial, ground, starts)
    yield Row(Segment.floor, "majority", _blind(trial), trial.protocol)


def _frozen(trial: Trial, ground: Ground, starts: Sequence[Start]) -> Iterator[Row]:
    """What frozen features say: those of the encoder, of untrained ones, and raw values."""
    encoder, (own, fresh) = trial.encoder, starts
    several = [partial(untrained, encoder, trial.train.samples, number) for number in range(UNTRAINED)]
    rows: Sequence[tuple[str, Kind, Mapping[str, Any], Sequence[Callable[[], Encoder | None]]]] = (
        (f"{own.name}, frozen", "encoder", own.identity, [lambda: encoder.network]),
        ("untrained, frozen", "untrained", fresh.identity, several),
        ("raw values + place", "raw", {}, [lambda: None]),
    )
    pieces = [
        Piece(
            f"{title}, {number + 1} of {len(networks)}" if len(networks) > 1 else title,
            {**trial.facts, "grid": ground.grid, "frozen": identity, "row": kind, "number": number,
             "sizes": {str(size): trial.draws(size) for size in trial.sizes}},
            1,
            partial(_probed, trial, ground, network, title),
        )
        for title, kind, identity, networks in rows
        for number, network in enumerate(networks)
    ]  # fmt: skip
    found = iter(carried_out("probe", pieces))
    probes = {"C": frozen.C, "cells": frozen.CELLS, "bank": frozen.BANK, "k": frozen.NEIGHBOURS}
    protocol = {**trial.protocol, **probes, "draws": trial.effort.draws}
    for title, kind, _, networks in rows:
        members = [next(found).tensors for _ in networks]
        yield Row(title, kind, {how: [each[how] for each in members] for how in members[0]}, protocol)


def _probed(trial: Trial, ground: Ground, network: Callable[[], Encoder | None], title: str) -> Kept:
    """Tallies `[S, M, 3, K]` by how the answers came about."""
    scene, dense = ground.scene, _dense(trial, ground, network())
    answers: dict[str, list[frozen.Answer]] = {}
    for size in trial.sizes:
        drawn = [trial.drawn(size, number) for number in range(trial.draws(size))]
        gathered = [frozen.gather(dense, scene.train, scene.train_masks, rows, scene) for rows in drawn]
        answers[trial.labelled(size)] = [frozen.linear(x, y, scene.classes) for x, y in gathered]
    x, y = gathered[-1]
    some = torch.linspace(0, len(x) - 1, min(len(x), frozen.BANK)).long()
    answers["kNN"] = [frozen.nearest(x[some], y[some], scene.classes)]
    answers["k-means"] = [frozen.clustered(x[some], y[some], scene.classes, trial.seed)]
    found = frozen.judge(dense, answers, scene, title)
    reached = figure(float(mean_iou(found[trial.labelled(trial.sizes[0])][0].sum(0))))
    return Kept(found, {SAID: f"{trial.metric('mIoU', trial.sizes[0])} {reached}"})


def _dense(trial: Trial, ground: Ground, network: Encoder | None) -> frozen.Dense:
    def raw(view: View) -> Tensor:
        return frozen.raw_values(view.x, ground.grid)

    def maps(view: View) -> Tensor:
        assert network is not None
        with inference(network):
            return frozen.with_place(joined(network(view.to(trial.encoder.device)).maps, ground.stride))

    return raw if network is None else maps


def _blind(trial: Trial) -> Found:
    """Whoever has seen the masks and looks at nothing."""
    train, test = trial.train.targets, trial.test.targets
    assert isinstance(train, MaskTargets)
    assert isinstance(test, MaskTargets)
    every = torch.split(torch.arange(len(test)), frozen.BATCH)
    found = {}
    for size in trial.sizes:
        tallies = []
        for number in range(trial.draws(size)):
            usual = occurrences(train.select(trial.drawn(size, number))).argmax(0)
            answers = ((rows, {"masks": usual.expand(len(rows), -1, -1)}) for rows in every)
            tallies.append(_judge(trial, answers).tensors[TALLY])
        found[trial.labelled(size)] = [torch.stack(tallies)]
    return found


def _judged(trial: Trial, rows: Iterator[Row]) -> Evaluation:
    """Mean IoU of every row with its interval, the share of right cells and the IoU of each class at all labels."""
    measured: list[Resampled] = []
    by_class: list[Result] = []
    most = trial.labelled(trial.sizes[-1])
    for row in rows:
        for how, members in row.found.items():
            measured.append(_resampled(trial, row, f"mIoU, {how}", members, mean_iou))
        if most in row.found:
            members = row.found[most]
            measured.append(_resampled(trial, row, f"accuracy, {most}", members, accuracy))
            total = torch.stack([iou(each.sum(1)).mean(0) for each in members]).mean(0).tolist()
            for name, value in zip(trial.train.targets.classes, total, strict=True):
                if value == value:  # a class that the test part does not hold has none
                    by_class.append(Result(row.name, row.kind, TASK, f"IoU {name}", value, None, None, row.protocol))
    return _concluded(trial, measured, by_class)


def _concluded(trial: Trial, measured: Sequence[Resampled], by_class: Sequence[Result]) -> Evaluation:
    """Two questions: the network that learns as a whole against all floors, and frozen features against frozen ones.

    It helped if the first answer is yes: what a network learns from the same labels alone is the floor that counts.
    """
    ends = (trial.sizes[0], trial.sizes[-1])
    deciding = {trial.metric("mIoU", size): trial.words(size) for size in ends}
    found = compare_both(TASK, measured, (measured[0].row, SCRATCH), deciding, seed=trial.seed)
    return replace(found, results=(*found.results, *by_class))


def _resampled(
    trial: Trial, row: Row, metric: str, members: Sequence[Tensor], measure: Callable[[Tensor], Tensor]
) -> Resampled:
    """A measure of one row in each draw, the mean over its members, and on resampled test samples."""
    values = torch.stack([measure(each.sum(1)) for each in members]).mean(0)
    weights = trial.weights[1:]
    draws = torch.stack([torch.stack([measure(weighted(weights, one)) for one in each]) for each in members])
    return Resampled(row.name, row.kind, metric, values, draws.mean(0), row.protocol)
