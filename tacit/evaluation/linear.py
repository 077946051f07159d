"""The linear probe: logistic regression on frozen features, its penalty chosen without a look at the test part."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.evaluation.logistic import STEERED, LinearClassifier, Scaler, fit

GRID = (1.0, 10.0, 30.0, 100.0, 300.0, 1e3, 1e4, 1e5)
"""Values of C, strongest penalty first: scikit-learn's C on features whose mean squared norm is one (`Scaler.of`)."""
HELD_OUT = 0.2
"""The share of the training part that judges the penalties where the data bring no validation part."""
TOLERANCE, ITERATIONS = 1e-5, 100
"""Weak penalties on tens of thousands of dimensions end by the second: stopping early is a penalty of its own."""


@dataclass(frozen=True, eq=False)
class Probe:
    """What the linear probe found."""

    predictions: Tensor
    """Long `[M]`."""
    c: float
    """The chosen C; see `GRID`."""


def linear_probe(
    train: Tensor,
    labels: Tensor,
    test: Tensor,
    classes: int,
    *,
    val: tuple[Tensor, Tensor] | None = None,
    seed: int = 0,
) -> Probe:
    """Fit on `train [N, D]` with `labels [N]`, choose C, fit again on all of `train`, then predict `test [M, D]` once.

    C is judged on `val` (features and labels) or on a fifth of `train` drawn by `seed`, by the cross-entropy: over a
    few hundred samples the accuracy jumps about more than the penalties differ. Each solve starts from the one before;
    the path ends after two penalties in a row without gain.
    """
    scaler = Scaler.of(train)
    gram = scaler.gram(train) if train.shape[1] <= STEERED else None
    kept = torch.ones(len(train))
    if val is None:
        held = _held_out(labels, seed)
        kept[held] = 0
        val = train[held], labels[held]
    best_loss, best_c, since = float("inf"), GRID[0], 0
    model: LinearClassifier | None = None
    chosen = model
    for c in GRID:
        model = _fit(train, labels, classes, c, scaler, gram, kept, model)
        loss = F.cross_entropy(model.after(scaler).logits(val[0])[:, 0], val[1]).item()
        since += 1
        if loss < best_loss:
            best_loss, best_c, chosen, since = loss, c, model, 0
        if since == 2:
            break
    final = _fit(train, labels, classes, best_c, scaler, gram, torch.ones(len(train)), chosen)
    return Probe(final.after(scaler).predict(test)[0], best_c)


def _fit(
    train: Tensor,
    labels: Tensor,
    classes: int,
    c: float,
    scaler: Scaler,
    gram: Tensor | None,
    weight: Tensor,
    start: LinearClassifier | None,
) -> LinearClassifier:
    penalty = 1 / (c * weight.sum().item())
    return fit(
        train,
        labels,
        classes,
        penalty,
        scaler=scaler,
        weight=weight,
        start=start,
        gram=gram,
        tolerance=TOLERANCE,
        iterations=ITERATIONS,
    )


def _held_out(labels: Tensor, seed: int) -> Tensor:
    """Rows, long, of a fifth of the samples of each class; a class of one stays in training."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for label in torch.unique(labels):
        rows = (labels == label).nonzero().flatten()
        parts.append(rows[torch.randperm(len(rows), generator=generator)][: round(HELD_OUT * len(rows))])
    return torch.cat(parts)
