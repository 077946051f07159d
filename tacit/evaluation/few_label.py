"""Few labels: what a representation is worth to somebody who can label a handful of samples per class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tacit.evaluation.logistic import STEERED, Scaler, fit

SIZES = (1, 2, 5, 10, 25, 100)
"""Labels per class."""
DRAWS = 20
C = 100.0
"""scikit-learn's C on features whose mean squared norm is one. A handful of labels cannot choose a penalty, so it is
fixed; on digits anything from 30 to 1000 gave the same accuracy within half a point, for raw pixels, untrained and
trained networks of 64 to 256 dimensions alike."""
TOLERANCE = 3e-4
"""Norm of the gradient; a tenth of it changed no accuracy by more than .0003 on CIFAR-10."""
_GATHERED_BYTES = 2**28


def fitting_sizes(labels: Tensor, classes: int, sizes: Sequence[int] = SIZES) -> tuple[int, ...]:
    """Those of `sizes` that the rarest class of `labels` (long `[N]`) can serve."""
    smallest = int(torch.bincount(labels, minlength=classes).min())
    return tuple(size for size in sizes if size <= smallest)


def draw(labels: Tensor, classes: int, size: int, *, draws: int = DRAWS, seed: int = 0) -> Tensor:
    """Rows, long `[draws, classes * size]`: `size` rows of each class, in each draw.

    A draw is a function of `seed` and its number: every representation is judged on the same rows, and the rows of a
    smaller size are among those of a larger one.
    """
    members = [(labels == label).nonzero().flatten() for label in range(classes)]
    picked = []
    for number in range(draws):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
        picked.append(torch.cat([rows[torch.randperm(len(rows), generator=generator)[:size]] for rows in members]))
    return torch.stack(picked)


def few_label(
    train: Tensor, labels: Tensor, test: Tensor, classes: int, size: int, *, draws: int = DRAWS, seed: int = 0
) -> Tensor:
    """Classes, long `[draws, M]`, that logistic regression on `size` labels per class gives to `test [M, D]`.

    The scaler is fitted on all of `train [N, D]`, since features need no labels.
    """
    scaler = Scaler.of(train)
    rows = draw(labels, classes, size, draws=draws, seed=seed)
    gram = scaler.gram(train) if train.shape[1] <= min(STEERED, rows.shape[1]) else None
    at_once = max(1, _GATHERED_BYTES // (rows.shape[1] * train.shape[1] * train.element_size()))
    predictions = []
    for part in torch.split(rows, at_once):
        penalty = 1 / (C * rows.shape[1])
        model = fit(scaler(train[part]), labels[part], classes, penalty, gram=gram, tolerance=TOLERANCE)
        model = model.after(scaler)
        predictions.append(torch.cat([model.predict(tile) for tile in torch.split(test, 4096)], 1))
    return torch.cat(predictions)
