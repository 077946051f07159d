"""A look at labels while a run learns without them: ridge regression, each row predicted from all others at once."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.core import Evaluator, Learner, Progress, Samples
from tacit.evaluation.features import WATCHED, inference
from tacit.evaluation.ridge import PENALTIES
from tacit.evaluation.scaler import Scaler

NEGLIGIBLE = 1e-12
"""Share of the largest variance below which a direction is rounding."""


def left_out(features: Tensor, labels: Tensor, classes: int) -> float:
    """Accuracy of ridge regression on one-hot labels that predicts each row from all the others, exactly.

    `features [N, D]`, `labels` long `[N]`. One decomposition, and no fit for each row: with the share h of its own
    label in what a row is told, y - (y - told) / (1 - h) is what the others tell it (Allen 1974, PRESS; the intercept,
    which is not penalised, counts 1 / N). Of `PENALTIES` the one with the least squared error. The scale of features,
    which knows no labels, is that of all rows.
    """
    x = Scaler.of(features)(features).double()
    target = F.one_hot(labels, classes).double()
    share = target.mean(0)
    directions, values = _decomposed(x - x.mean(0))
    turned = directions.T @ (target - share)
    least, accuracy = math.inf, 0.0
    for penalty in PENALTIES:
        kept = values / (values + penalty * len(x))
        told = share + directions @ (kept[:, None] * turned)
        own = 1 / len(x) + directions.square() @ kept
        others = target - (target - told) / (1 - own)[:, None]
        error = (target - others).square().mean().item()
        if error < least:
            least, accuracy = error, (others.argmax(1) == labels).double().mean().item()
    return accuracy


def _decomposed(x: Tensor) -> tuple[Tensor, Tensor]:
    """Orthonormal directions of rows `[N, R]` and squared singular values `[R]` of `x [N, D]`."""
    rows, dim = x.shape
    values, vectors = torch.linalg.eigh(x @ x.T if rows <= dim else x.T @ x)
    real = values > NEGLIGIBLE * values.max().clamp_min(torch.finfo(x.dtype).tiny)
    values, vectors = values[real], vectors[:, real]
    return (vectors if rows <= dim else x @ vectors / values.sqrt()), values


def glance(samples: Samples, labels: Tensor, classes: int) -> Evaluator:
    """Yields `probe`, the accuracy of `left_out` on plain views of at most 512 labelled ones of `samples`.

    `labels`: long `[N]`, -1 where there is none; at least two of them. It is to be shown, and never to be heard by the
    learner. NaN where features are no numbers.
    """
    known = torch.nonzero(labels >= 0)[:, 0]
    rows = known[torch.linspace(0, len(known) - 1, min(WATCHED, len(known))).long()]

    def evaluate(learner: Learner, progress: Progress) -> Iterator[tuple[str, float]]:
        device = next((tensor.device for tensor in learner.state_dict().values()), torch.device("cpu"))
        with inference(learner.encoder):
            pooled = learner.encoder(samples.view(rows).to(device)).pooled.float().cpu()
        yield "probe", left_out(pooled, labels[rows], classes) if pooled.isfinite().all() else math.nan

    return evaluate
