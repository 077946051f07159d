"""One head from several starts: what pre-training is worth to whoever has labels.

The skeleton of all examinations that train: the same head, with the same steps on the same draws of few and of all
samples, from the pre-trained encoder and from random weights, as a whole or standing still under the head. Every
training is kept once it is done.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from tacit.config import merge
from tacit.core import Encoder
from tacit.data.shelf import Kept, digest
from tacit.engine import loop, order
from tacit.engine.settings import Budget, EngineConfig
from tacit.evaluation.bench import Evaluation, Kind
from tacit.evaluation.features import sample_of
from tacit.evaluation.resampled import Resampled, compare, compare_both
from tacit.heads import HEADS
from tacit.heads.finetune import Finetune, respond, validation
from tacit.proving.fitting import identity_of, untrained
from tacit.proving.keeping import SAID, Piece, carried_out
from tacit.proving.outcome import name_of
from tacit.proving.trial import Trial

SCRATCH = "from scratch"


@dataclass(frozen=True, eq=False)
class Start:
    """A row: where the network starts from, and what of it learns."""

    name: str
    kind: Kind
    network: Callable[[int], Encoder]
    """Number of the draw -> the encoder to start from, free to be changed."""
    identity: Mapping[str, Any]
    """All that the network depends on, beside the draw and the samples."""
    freeze: Literal["all", "none"] = "none"
    learner: Callable[[], Mapping[str, Tensor]] | None = None
    """State of the method that the encoder comes from, for heads that take over more than the encoder."""


@dataclass(frozen=True, eq=False)
class Floor:
    """A row that learns no network."""

    name: str
    kind: Kind
    find: Callable[[Trial, Tensor], Kept]
    """(trial, rows of the training part) -> what is kept of its answers to the test part."""


Found = Mapping[tuple[str, int], Sequence[Kept]]
"""(row, number of samples) -> what came of each draw."""


def blind(trial: Trial, rows: Tensor) -> Kept:
    """Who knows the truth about `rows` and looks at nothing."""
    said = trial.head.blind(trial.train.targets.select(rows), len(trial.test.samples))
    return trial.judge(trial, iter([(torch.arange(len(trial.test.samples)), said)]))


def pretrained(
    trial: Trial,
    *,
    freeze: Literal["all", "none"] = "none",
    learner: Callable[[], Mapping[str, Tensor]] | None = None,
) -> Start:
    """From the encoder on trial."""
    encoder, name = trial.encoder, name_of(trial.encoder)
    identity = identity_of(encoder, encoder.network)
    if learner is not None:
        identity["learner"] = digest(dict(learner()))
    title = name if freeze == "none" else f"{name}, frozen"
    return Start(title, "encoder", lambda _: copy.deepcopy(encoder.network), identity, freeze, learner)


def at_random(trial: Trial, *, freeze: Literal["all", "none"] = "none") -> Start:
    """From random weights, which all encoders of one architecture share."""
    encoder, samples = trial.encoder, trial.train.samples
    identity = identity_of(encoder, None)
    row: tuple[str, Kind] = (SCRATCH, "scratch") if freeze == "none" else ("untrained, frozen", "untrained")
    return Start(*row, lambda number: untrained(encoder, samples, number), identity, freeze)


def four(trial: Trial) -> Sequence[Start]:
    """Pre-trained and random weights, each learning as a whole and standing still."""
    return (pretrained(trial), pretrained(trial, freeze="all"), at_random(trial), at_random(trial, freeze="all"))


def judged(trial: Trial, starts: Sequence[Start], floors: Sequence[Floor]) -> Evaluation:
    """The rows of all `starts`, the encoder on trial first, and `floors`."""
    found = {**trained(trial, starts), **_looked_up(trial, floors)}
    rows: Sequence[Start | Floor] = (*starts, *floors)
    measured = [
        one for row in rows for size in trial.sizes for one in _measured(trial, row, size, found[row.name, size])
    ]
    deciding = {trial.metric(trial.metrics[0], size): trial.words(size) for size in trial.sizes}
    whole = [start.name for start in starts if start.freeze == "none"]
    if len(whole) == len(starts):
        return compare(trial.task, measured, deciding, seed=trial.seed)
    return compare_both(trial.task, measured, whole, deciding, seed=trial.seed)


def trained(trial: Trial, starts: Sequence[Start]) -> Found:
    """What came of the trainings from all `starts`; done are those that have not been kept."""
    pieces, keys = [], []
    for start in starts:
        for size, number in _draws(trial):
            own = {**start.identity, "freeze": start.freeze, "steps": trial.steps(size), "size": size, "draw": number}
            facts = {**trial.facts, **trial.training, "method": _method(trial, start), "start": own}
            title = f"{start.name}, {trial.words(size)}, draw {number + 1}"
            pieces.append(Piece(title, facts, trial.steps(size), partial(_learnt, trial, start, size, number)))
            keys.append((start.name, size))
    return _gathered(keys, carried_out("training", pieces))


def _looked_up(trial: Trial, floors: Sequence[Floor]) -> Found:
    pieces, keys = [], []
    for floor in floors:
        for size, number in _draws(trial):
            facts = {**trial.facts, "floor": floor.name, "size": size, "draw": number}
            title = f"{floor.name}, {trial.words(size)}, draw {number + 1}"
            pieces.append(Piece(title, facts, size, partial(floor.find, trial, trial.drawn(size, number))))
            keys.append((floor.name, size))
    return _gathered(keys, carried_out("floor", pieces))


def _draws(trial: Trial) -> Iterator[tuple[int, int]]:
    """Numbers of samples and of draws."""
    yield from ((size, number) for size in trial.sizes for number in range(trial.draws(size)))


def _gathered(keys: Sequence[tuple[str, int]], outcomes: Sequence[Kept]) -> Found:
    found: dict[tuple[str, int], list[Kept]] = {}
    for key, outcome in zip(keys, outcomes, strict=True):
        found.setdefault(key, []).append(outcome)
    return found


def _method(trial: Trial, start: Start) -> dict[str, Any]:
    """Settings of `Finetune`."""
    # a fresh network has nothing that the noise of a fresh head could spoil
    alone = {"linear": 0.0} if start.kind == "scratch" else {}
    return merge(trial.recipe.method, {"freeze": start.freeze, **alone})


def _learnt(trial: Trial, start: Start, size: int, number: int) -> Kept:
    """Train on `size` samples, draw `number`, and answer the test part."""
    kind, device = HEADS[trial.task], trial.encoder.device
    part = trial.train.select(trial.drawn(size, number))
    network = start.network(number)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(order.fold(trial.task, trial.seed, number))
        sample = sample_of(part.samples).to(device)
        head = kind(kind.Config(name=trial.task), network, sample, part.targets.classes).to(device)
    if start.learner is not None:
        head.inherit(start.learner)
    head.prepare(part.targets)
    config = EngineConfig(
        optimiser=trial.recipe.optimiser,
        budget=Budget(steps=trial.steps(size)),
        batch=min(trial.effort.batch, size),
        seed=order.fold(trial.task, trial.seed, number) % 2**31,
        evaluations=trial.effort.evaluations,
    )
    learner = Finetune(Finetune.Config.parse(_method(trial, start)), network, head, part.targets)
    modality = trial.encoder.modality
    views = modality.augment(modality.config.parse(trial.recipe.views))
    looked_at = trial.val if trial.effort.evaluations else None
    looks = [validation(looked_at.samples, looked_at.targets)] if looked_at else []
    loop.fit(learner, part.samples, views, config, evaluators=looks)
    best, learnt = learner.eval().kept()
    answers = respond(best, learnt, trial.test.samples, batch=trial.at_once, device=device, title="test part")
    return trial.judge(trial, answers)


def protocol_of(trial: Trial, row: Start | Floor, size: int, draws: int) -> dict[str, Any]:
    """How a row was measured at one number of samples."""
    shared = {**trial.protocol, "samples": size, "draws": draws}
    if isinstance(row, Floor):
        return shared
    kind = HEADS[trial.task]
    return {
        **shared,
        "steps": trial.steps(size),
        "freeze": row.freeze,
        "batch": trial.effort.batch,
        "optimiser": trial.recipe.optimiser.model_dump(),
        "method": _method(trial, row),
        "head": kind.Config(name=trial.task).model_dump(),
        "views": trial.training["views"]["weak"],
        "epoch": "best on the validation part" if trial.val and trial.effort.evaluations else "last",
    }


def _measured(trial: Trial, row: Start | Floor, size: int, found: Sequence[Kept]) -> Iterator[Resampled]:
    figures = [one.tensors for one in found]
    own = set(trial.metrics)
    others = {key: [round(float(one[key][0]), 4) for one in figures] for key in figures[0] if key not in own}
    notes = {name: note for name, note in found[0].notes.items() if name != SAID}
    facts = {**protocol_of(trial, row, size, len(found)), **notes, "others": others}
    for metric in trial.metrics:
        together = torch.stack([one[metric] for one in figures])
        yield Resampled(row.name, row.kind, trial.metric(metric, size), together[:, 0], together[:, 1:], facts)
