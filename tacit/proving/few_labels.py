"""Few labels, all of the network learning from them: `tacit evaluate --task few-label-finetuned`."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from tacit import interrupt
from tacit.encoder import TrainedEncoder
from tacit.engine.settings import Optimiser
from tacit.errors import UsageError
from tacit.evaluation import few_label
from tacit.evaluation.bench import evaluate
from tacit.evaluation.features import must_be_finite
from tacit.evaluation.setup import Bench, Kind, PredictedRow
from tacit.evaluation.tasks import Key
from tacit.heads.finetune import Finetune
from tacit.heads.pooled import LINEAR_RATE
from tacit.proving.fitting import Fit, fitted, from_scratch, gathered, pieces
from tacit.proving.keeping import carried_out
from tacit.proving.labelled import bench_of, drawn_of
from tacit.proving.outcome import Proof, name_of
from tacit.proving.proof import features_of
from tacit.proving.starts import SCRATCH

TASK = "few-label-finetuned"
SIZES = (4, 25)
"""Labels per class where no totals are given: those of the field's 40 and 250 on CIFAR-10."""
DRAWS = 5
STEPS, MANY, MORE_STEPS = 200, 1000, 500
"""Steps with few labels, and with `MANY` or more."""
RECIPE = {"head": "alone at first, then all, the encoder at a tenth of the rate", "lr": LINEAR_RATE, "epoch": "last"}
SCRATCH_RECIPE = {"lr": 2e-3, "views": "weak", "epoch": "last"}


def few_labels_finetuned(
    encoder: TrainedEncoder,
    data: str,
    *,
    seed: int = 0,
    totals: Sequence[int] = (),
    draws: int | None = None,
    max_bad: float = 0.01,
) -> Proof:
    """Judge `encoder` by what fine-tuning it on few labels of `data` gives, beside training from scratch on the same.

    The draws are those of the task `few-label`, whose logistic regression on the frozen features stands beside. Raises
    as `proof.prove`.
    """
    with interrupt.listening():
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        bench = bench_of(dataset, seed=seed, totals=totals, draws=draws or DRAWS)
        drawn = drawn_of(bench, SIZES)
        if not drawn:
            raise UsageError(
                f"the rarest class has fewer than {min(SIZES)} training samples: say how many with --labels"
            )
        name = name_of(encoder)
        own, fresh = (_fits(row, drawn) for row in (name, SCRATCH))
        work = [
            *pieces(encoder, bench, own, partial(_tuned, encoder, bench), encoder.network),
            *pieces(encoder, bench, fresh, partial(from_scratch, encoder, bench), None),
        ]
        found = iter(carried_out("training", work))
        rows = [
            _trained(name, "encoder", bench, gathered(own, found), {**RECIPE, "training": dict(encoder.spec.training)}),
            _trained(SCRATCH, "scratch", bench, gathered(fresh, found), SCRATCH_RECIPE),
            _frozen(f"{name}, frozen", encoder, bench, drawn),
        ]
        curve = "The whole network learns, mean of paired draws; frozen: logistic regression"
        return Proof(evaluate(bench, rows, ()), dataset, encoder, TASK, curve)


def _tuned(encoder: TrainedEncoder, bench: Bench, rows: Tensor, steps: int) -> Tensor:
    """Classes of the test part, long `[M]`, by the encoder fine-tuned on the labels of `rows`."""
    network = copy.deepcopy(encoder.network)
    return fitted(encoder, bench, rows, network, Finetune.Config(), Optimiser(lr=LINEAR_RATE), steps)


def _fits(row: str, drawn: Mapping[str, Tensor]) -> list[Fit]:
    return [
        Fit(
            (TASK, metric),
            f"{row}, {few_label.words(metric)}, draw {number + 1}",
            few_label.unrepeated(rows),
            STEPS if len(rows) < MANY else MORE_STEPS,
        )
        for metric, draws in drawn.items()
        for number, rows in enumerate(draws)
    ]


def _trained(
    name: str, kind: Kind, bench: Bench, found: Mapping[Key, Tensor], protocol: Mapping[str, Any]
) -> PredictedRow:
    """A row of networks, one a draw."""
    steps_taken = f"{STEPS}, {MORE_STEPS} with {MANY:,} labels or more"
    shared = {"draws": bench.draws, "draw_seed": bench.seed, "steps": steps_taken, "balance": "by class"}
    return PredictedRow(name, kind, lambda _: found, {**protocol, **shared})


def _frozen(name: str, encoder: TrainedEncoder, bench: Bench, drawn: Mapping[str, Tensor]) -> PredictedRow:
    """Logistic regression on the features as they are, at the same draws."""
    train, test = (
        must_be_finite(features_of(encoder.network, samples, device=encoder.device, title="features"), name)
        for samples in (bench.train, bench.test)
    )
    classes = len(bench.classes)
    rows = list(drawn.values())
    answers = list(few_label.few_label(train, bench.train_labels, test, classes, rows, bench.groups, bench.train_units))
    found = {(TASK, metric): each.predictions for metric, each in zip(drawn, answers, strict=True)}
    protocol = {"C": [each.c for each in answers], "draws": bench.draws, "draw_seed": bench.seed, "balance": "by class"}
    return PredictedRow(name, "method", lambda _: found, protocol)
