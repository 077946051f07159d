"""Few labels: what a representation is worth to somebody who can label a handful of samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from tacit import interrupt
from tacit.errors import UsageError
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
IN_ALL = " in all"
"""What a metric ends with where labels are counted over all classes: `40 in all`."""
_GATHERED_BYTES = 2**28


def amounts(classes: int, labels: Tensor, sizes: Sequence[int], totals: Sequence[int]) -> Mapping[str, int]:
    """Metric -> how many labels in all: `totals`, or where there are none, those of `sizes` (labels per class).

    Sizes that the rarest class of `labels` (long `[N]`) cannot serve are left out. A total is a wish of the user's:
    raises `UsageError` where it cannot be served.
    """
    rarest = int(torch.bincount(labels, minlength=classes).min())
    if not totals:
        return {str(size): size * classes for size in sizes if size <= rarest}
    for total in totals:
        if total < classes:
            raise UsageError(f"--labels {total}: fewer than the {classes} classes; give {classes} or more")
        if -(-total // classes) > rarest:
            raise UsageError(
                f"--labels {total}: drawn evenly from {classes} classes these are {-(-total // classes)} of each, and "
                f"the rarest has {rarest} training samples; give {rarest * classes} or less"
            )
    return {f"{total}{IN_ALL}": total for total in sorted(set(totals))}


def per_class(metric: str, classes: int) -> float:
    """How many labels per class the metric `10` or `40 in all` speaks of."""
    return int(metric.removesuffix(IN_ALL)) / (classes if metric.endswith(IN_ALL) else 1)


def words(metric: str) -> str:
    """A metric in words: `10 labels per class`, `40 labels in all`."""
    count = metric.removesuffix(IN_ALL)
    return f"{count} label{'s' if count != '1' else ''}{IN_ALL if metric.endswith(IN_ALL) else ' per class'}"


def draw(labels: Tensor, classes: int, total: int, *, draws: int = DRAWS, seed: int = 0) -> Tensor:
    """Rows, long `[draws, total]`, evenly from all classes: their numbers differ by one at most in each draw.

    A draw is a function of `seed` and its number: every representation is judged on the same rows, and the rows of a
    smaller total are among those of a larger one. For CIFAR-10 with 40, 250 and 4,000 these are the field's splits
    (five of them; Berthelot et al. 2019, arXiv 1905.02249; Sohn et al. 2020, arXiv 2001.07685).
    """
    members = [(labels == label).nonzero().flatten() for label in range(classes)]
    each, more = divmod(total, classes)
    picked = []
    for number in range(draws):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
        shuffled = [rows[torch.randperm(len(rows), generator=generator)] for rows in members]
        first = torch.randperm(classes, generator=generator)[:more].tolist()
        picked.append(torch.cat([rows[: each + (label in first)] for label, rows in enumerate(shuffled)]))
    return torch.stack(picked)


def few_label(train: Tensor, labels: Tensor, test: Tensor, classes: int, drawn: Sequence[Tensor]) -> Iterator[Tensor]:
    """Classes, long `[S, M]`, that logistic regression on `drawn` rows (long `[S, L]`, each) gives to `test [M, D]`.

    The scaler is fitted on all of `train [N, D]`, since features need no labels, once for all amounts.
    """
    scaler = Scaler.of(train)
    steered = train.shape[1] <= min(STEERED, max((rows.shape[1] for rows in drawn), default=0))
    gram = scaler.gram(train) if steered else None
    for rows in drawn:
        at_once = max(1, _GATHERED_BYTES // (rows.shape[1] * train.shape[1] * train.element_size()))
        predictions = []
        for part in torch.split(rows, at_once):
            interrupt.check()
            model = fit(
                scaler(train[part]),
                labels[part],
                classes,
                1 / (C * rows.shape[1]),
                gram=gram if train.shape[1] <= rows.shape[1] else None,
                tolerance=TOLERANCE,
            ).after(scaler)
            predictions.append(torch.cat([model.predict(tile) for tile in torch.split(test, 4096)], 1))
        yield torch.cat(predictions)
