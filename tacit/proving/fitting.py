"""Networks of the encoder's own architecture: untrained, and trained on the labels of a bench, each fit kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tacit.core import Encoder, Samples
from tacit.data.shelf import Kept, digest
from tacit.data.subset import Subset
from tacit.encoder import TrainedEncoder
from tacit.engine import loop
from tacit.engine.settings import Budget, EngineConfig, Optimiser
from tacit.evaluation.features import extract_floor, sample_of, settle
from tacit.evaluation.setup import Bench
from tacit.evaluation.tasks import Key
from tacit.evaluation.verdict import figure
from tacit.heads.classify import Classify
from tacit.heads.finetune import Finetune
from tacit.heads.pooled import TableTargets
from tacit.proving.keeping import SAID, Piece
from tacit.proving.trial import views_of

UNTRAINED = 3
"""Untrained encoders that stand for luck: the verdict asks for more than one more of them may reach."""
CLASSES = "classes"
Answers = Callable[[Tensor, int], Tensor]
"""(rows of the training part, steps) -> classes of the test part, long `[M]`."""


def untrained(encoder: TrainedEncoder, samples: Samples, seed: int) -> Encoder:
    """The encoder's own architecture with random weights, its normalisation fitted to `samples`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1_000 + seed)
        kind = encoder.modality.encoders[encoder.spec.encoder["name"]]
        network = kind(kind.Config.parse(encoder.spec.encoder), sample_of(samples)).to(encoder.device)
    settle(network, samples, device=encoder.device)
    return network.eval()


def identity_of(encoder: TrainedEncoder, network: Encoder | None) -> dict[str, Any]:
    """What tells the weights of `network` from others of its architecture; None: random ones, by the draw alone."""
    return {
        "encoder": dict(encoder.spec.encoder),
        "weights": "random" if network is None else digest(network.state_dict()),
    }


@dataclass(frozen=True, eq=False)
class Fit:
    """A network to be trained on the labels of `rows`, long `[L]`."""

    key: Key
    """The task and the metric that it is a draw of."""
    title: str
    rows: Tensor
    steps: int


def pieces(
    encoder: TrainedEncoder, bench: Bench, fits: Sequence[Fit], answers: Answers, network: Encoder | None
) -> list[Piece]:
    """The `fits` by `answers`, which start from `network`, or from random weights where it is None."""
    facts = {
        "head": "classify",
        "data": [bench.protocol["content_hash"], bench.protocol["labels_hash"]],
        "layout": dict(encoder.spec.layout),
        "views": views_of(encoder, encoder.spec.modality),
        "seed": bench.seed,
        "start": identity_of(encoder, network),
    }
    return [
        Piece(
            fit.title,
            {**facts, "rows": digest(fit.rows), "steps": fit.steps},
            fit.steps,
            partial(_answered, bench, answers, fit),
        )
        for fit in fits
    ]


def _answered(bench: Bench, answers: Answers, fit: Fit) -> Kept:
    classes = answers(fit.rows, fit.steps).cpu()
    right = float((classes == bench.test_labels).float().mean())
    return Kept({CLASSES: classes}, {SAID: f"accuracy {figure(right)}"})


def gathered(fits: Sequence[Fit], found: Iterator[Kept]) -> dict[Key, Tensor]:
    """Classes of the test part by task and metric, long `[S, M]`, a row a draw: the next ones of `found`."""
    answered: dict[Key, list[Tensor]] = {}
    for fit in fits:
        answered.setdefault(fit.key, []).append(next(found).tensors[CLASSES])
    return {key: torch.stack(several) for key, several in answered.items()}


def from_scratch(encoder: TrainedEncoder, bench: Bench, rows: Tensor, steps: int) -> Tensor:
    """Classes of the test part, long `[M]`, by the encoder's own architecture trained on the labels of `rows` alone."""
    assert isinstance(bench.train, Subset)
    network = untrained(encoder, bench.train, seed=0)
    return fitted(encoder, bench, rows, network, Finetune.Config(linear=0.0, rate=1.0), Optimiser(lr=2e-3), steps)


def fitted(
    encoder: TrainedEncoder,
    bench: Bench,
    rows: Tensor,
    network: Encoder,
    recipe: Finetune.Config,
    optimiser: Optimiser,
    steps: int,
) -> Tensor:
    """Classes of the test part, long `[M]`, by `network` and a linear layer after `steps` on the labels of `rows`."""
    train, modality = bench.train, encoder.modality
    assert isinstance(train, Subset)
    some, targets = train.select(rows), TableTargets(bench.train_labels[rows], bench.classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(bench.seed)
        head = Classify(Classify.Config(), network, sample_of(some), bench.classes)
    head.prepare(targets)
    head.to(encoder.device)
    learner = Finetune(recipe, network, head, targets)
    augment = modality.augment(modality.config.parse(encoder.spec.modality))
    config = EngineConfig(budget=Budget(steps=steps), optimiser=optimiser, batch=min(128, len(rows)), evaluations=0)
    loop.fit(learner, some, augment, config)
    learner.eval()
    with torch.no_grad():
        return extract_floor(lambda view: head(network(view.to(encoder.device))), bench.test, title="answers").argmax(1)
