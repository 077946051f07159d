"""Does pre-training help to translate? `tacit evaluate --task translate`: one network from two starts."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tacit import interrupt
from tacit.console import say
from tacit.core import Encoder
from tacit.data.dataset import Dataset
from tacit.encoder import TrainedEncoder
from tacit.engine import loop, order
from tacit.engine.runfolder import kept
from tacit.engine.settings import Budget, EngineConfig, Optimiser
from tacit.errors import DataError, UsageError
from tacit.evaluation.bench import Kind
from tacit.evaluation.dictionary import Dictionary, nearest
from tacit.evaluation.features import sample_of
from tacit.evaluation.resampled import Resampled, compare, sample_weights
from tacit.evaluation.verdict import figure
from tacit.heads.finetune import Finetune, respond, validation
from tacit.heads.texts import METRICS, TextTargets, scores, signatures
from tacit.heads.translate import Translate, spelt
from tacit.initial.start import Start
from tacit.proving.outcome import Proof, name_of
from tacit.proving.proof import untrained
from tacit.truth.parts import Part, Parts, split

TASK = "translate"
TOTALS = (3_000,)
"""Pairs to learn from, beside all of them; sets that are smaller leave it out."""
BATCH = 64
TESTED = 1_000
"""Test samples that are translated, evenly spread where there are more."""
OPTIMISER = Optimiser.parse(Translate.recipe["optimiser"])
"""As `tacit finetune --task translate` trains."""
Written = Sequence[str]
"""A text for each test sample."""


@dataclass(frozen=True)
class Effort:
    """How much is trained."""

    steps: int = 1_000
    """Optimiser steps on any number of pairs; whatever does best on the validation part is kept."""
    evaluations: int = 5
    """Looks at the validation part."""


@dataclass(frozen=True, eq=False)
class Trial:
    """What all rows share: the pairs, what is tested on, and how."""

    encoder: TrainedEncoder
    dataset: Dataset
    train: Part
    val: Part | None
    test: Part
    sizes: Sequence[int]
    """Numbers of pairs to learn from, in rising order."""
    draws: int
    """Each changes which pairs are drawn, the first weights, and the order of training."""
    seed: int
    effort: Effort
    protocol: Mapping[str, Any]
    keep: Path | None
    """Folder in which trainings are kept, to go on after a stop; None: nothing is kept."""


@dataclass(frozen=True)
class Row:
    """One that translates."""

    name: str
    kind: Kind
    write: Callable[[Trial, int, int], Written]
    """(trial, number of pairs to learn from, number of the draw) -> the translations of the test part."""


def translate(
    encoder: TrainedEncoder,
    data: str,
    *,
    seed: int = 0,
    totals: Sequence[int] = (),
    draws: int | None = None,
    max_bad: float = 0.01,
    effort: Effort | None = None,
) -> Proof:
    """Judge `encoder`, with the decoder of its run, by what it is worth to a translator, beside its floors.

    The same network is trained on `totals` of the pairs in the training part (3,000 and all), with the same steps and
    draws, from the pre-trained weights and from random ones. Floors: the target of the nearest source, a dictionary of
    words learnt from the same pairs (IBM model 1), and the most usual target. BLEU and chrF of the test part are
    sacrebleu's, with intervals over its samples and, where there are more than one, draws. Raises `DataError` where
    there are no pairs to learn from or to judge by, `UsageError` where the encoder cannot serve a decoder.
    """
    with interrupt.listening():
        trial = prepare(encoder, data, seed=seed, totals=totals, draws=draws or 1, max_bad=max_bad, effort=effort)
        found = {}
        for row in rows(trial):
            for size in trial.sizes:
                found[row.name, size] = [row.write(trial, size, number) for number in range(trial.draws)]
                reached = scores(found[row.name, size][0], _truth(trial))(torch.ones(1, len(trial.test.samples)))
                say(f"{row.name}, {_words(size)}: {METRICS[0]} {figure(float(reached[METRICS[0]][0]))}")
        return judge(trial, found)


def prepare(
    encoder: TrainedEncoder,
    data: str,
    *,
    seed: int = 0,
    totals: Sequence[int] = (),
    draws: int = 1,
    max_bad: float = 0.01,
    effort: Effort | None = None,
    keep: Path | None = None,
) -> Trial:
    """Open `data` and split its pairs; trainings are kept in the folder `keep`. Raises as `translate`."""
    facts = signatures()
    dataset = encoder.open(data, seed=seed, max_bad=max_bad)
    parts = split(dataset, TASK, seed=seed, max_bad=max_bad)
    train, test = parts.train, _test(dataset, parts)
    count = len(train.samples)
    if totals and not 1 <= min(totals) <= max(totals) <= count:
        raise UsageError(f"--labels: give numbers from 1 to {count:,}, the pairs there are to learn from")
    effort = effort or Effort()
    protocol = {
        "data": dataset.name,
        "content_hash": dataset.content_hash,
        "split": dataset.protocol,
        "validation": parts.protocol,
        "signatures": facts,
        "head": Translate.Config().model_dump(),
        "optimiser": OPTIMISER.model_dump(),
        "batch": BATCH,
        "steps": effort.steps,
        "test_samples": len(test.samples),
    }
    sizes = sorted(set(totals)) or [*(total for total in TOTALS if total < count), count]
    val = parts.val and parts.val.few(Translate.looks)
    return Trial(encoder, dataset, train, val, test, sizes, draws, seed, effort, protocol, keep)


def rows(trial: Trial) -> Sequence[Row]:
    """All that translate, the encoder on trial first."""
    return (
        Row(name_of(trial.encoder), "encoder", _pretrained),
        Row("from scratch", "scratch", _from_scratch),
        Row("IBM model 1", "raw", _by_dictionary),
        Row("nearest source", "raw", _by_nearest),
        Row(Translate.floor, "majority", _usual),
    )


def judge(trial: Trial, found: Mapping[tuple[str, int], Sequence[Written]]) -> Proof:
    """The figures of what was written: (row, number of pairs) -> a text for each test sample, one list a draw."""
    weights = torch.cat(
        [
            torch.ones(1, len(trial.test.samples), dtype=torch.float64),
            sample_weights(len(trial.test.samples), seed=trial.seed),
        ]
    )
    measured = [
        one
        for row in rows(trial)
        for size in trial.sizes
        for one in _measured(trial, row, size, found[row.name, size], weights)
    ]
    deciding = {_metric(METRICS[0], size): _words(size) for size in trial.sizes}
    judged = compare(TASK, measured, deciding, seed=trial.seed)
    return Proof(judged, trial.dataset, trial.encoder, "translation")


def _test(dataset: Dataset, parts: Parts) -> Part:
    if parts.test is None:
        raise DataError(
            f"{dataset.name} has no test part with targets, and judging translations needs one ({dataset.protocol})"
        )
    return parts.test.few(TESTED)


def _measured(trial: Trial, row: Row, size: int, written: Sequence[Written], weights: Tensor) -> Iterator[Resampled]:
    found = [scores(texts, _truth(trial))(weights) for texts in written]
    protocol = {**trial.protocol, "pairs": size, "example": written[0][0]}
    for metric in METRICS:
        together = torch.stack([one[metric] for one in found])
        yield Resampled(row.name, row.kind, _metric(metric, size), together[:, 0], together[:, 1:], protocol)


def _pretrained(trial: Trial, size: int, number: int) -> Written:
    encoder = trial.encoder
    learner = Start(encoder.path, encoder).learner if encoder.path else dict
    return _learnt(trial, size, number, copy.deepcopy(encoder.network), learner)


def _from_scratch(trial: Trial, size: int, number: int) -> Written:
    return _learnt(trial, size, number, untrained(trial.encoder, trial.train.samples, number), None)


def _learnt(
    trial: Trial, size: int, number: int, network: Encoder, learner: Callable[[], Mapping[str, Tensor]] | None
) -> Written:
    """Train as `tacit finetune --task translate` does, and translate the test part."""
    part, device = trial.train.select(_drawn(trial, size, number)), trial.encoder.device
    sample = sample_of(part.samples).to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(order.fold(TASK, trial.seed, number))
        head = Translate(Translate.Config(), network, sample, ()).to(device)
    if learner is not None:
        head.inherit(learner)
    head.prepare(part.targets)
    config = EngineConfig(
        optimiser=OPTIMISER,
        budget=Budget(steps=trial.effort.steps),
        batch=min(BATCH, len(part.samples)),
        seed=order.fold(TASK, trial.seed, number) % 2**31,
        evaluations=trial.effort.evaluations,
    )
    fine = Finetune(Finetune.Config.parse(Translate.recipe["method"]), network, head, part.targets)
    modality = trial.encoder.modality
    augment = modality.augment(modality.config.parse(Translate.recipe["modality"]))
    looks = [validation(trial.val.samples, trial.val.targets)] if trial.val else []
    name = f"{'scratch' if learner is None else 'pretrained'}-{size}-{number}"
    with kept(trial.keep and trial.keep / name, config.to_yaml()) as (folder, resume):
        loop.fit(
            fine,
            part.samples,
            augment,
            config,
            folder,
            resume=resume,
            evaluators=looks,
            fingerprint={"data": trial.dataset.content_hash, "row": name},
        )
    best, learnt = fine.eval().kept()
    assert isinstance(trial.test.targets, TextTargets)
    said = [answers for _, answers in respond(best, learnt, trial.test.samples, device=device, title="translating")]
    return spelt(said, trial.test.targets)


def _by_dictionary(trial: Trial, size: int, number: int) -> Written:
    sources, targets, asked = _pairs(trial, size, number)
    return Dictionary(sources, targets).translate(asked)


def _by_nearest(trial: Trial, size: int, number: int) -> Written:
    return nearest(*_pairs(trial, size, number))


def _pairs(trial: Trial, size: int, number: int) -> tuple[Written, Written, Written]:
    """Sources and targets to learn from, and the sources of the test part."""
    part = trial.train.select(_drawn(trial, size, number))
    return _sources(trial, part), _truth(trial, part), _sources(trial, trial.test)


def _usual(trial: Trial, size: int, number: int) -> Written:
    part = trial.train.select(_drawn(trial, size, number))
    (usual, _), *_ = Counter(_truth(trial, part)).most_common(1)
    return [usual] * len(trial.test.samples)


def _drawn(trial: Trial, size: int, number: int) -> Tensor:
    """Rows of the training part: the first ones of a permutation, so that fewer are among more."""
    generator = torch.Generator().manual_seed(order.fold("draw", trial.seed, number))
    return torch.randperm(len(trial.train.samples), generator=generator)[:size]


def _sources(trial: Trial, part: Part) -> list[str]:
    found: dict[int, str] = {}
    for row in sorted(part.samples.source_rows.tolist()):  # sources of records are cheap to read in rising order alone
        raw = trial.dataset.raw(row)
        assert isinstance(raw, bytes)
        found[row] = raw.decode("utf-8-sig").strip()
    return [found[row] for row in part.samples.source_rows.tolist()]


def _truth(trial: Trial, part: Part | None = None) -> tuple[str, ...]:
    targets = (part or trial.test).targets
    assert isinstance(targets, TextTargets)
    return targets.texts


def _metric(metric: str, size: int) -> str:
    return f"{metric}, {size:,} pairs"


def _words(size: int) -> str:
    return f"{size:,} pairs"
