"""The linear probe: logistic regression on frozen features, its penalty chosen without a look at the test part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.evaluation.logistic import STEERED, LinearClassifier, condense, fit
from tacit.evaluation.scaler import Scaler

GRID = (1.0, 10.0, 30.0, 100.0, 300.0, 1e3, 1e4, 1e5)
"""Values of C, strongest penalty first: scikit-learn's C on features whose mean squared norm is one (`Scaler.of`)."""
HELD_OUT = 0.2
"""The share of the training part that judges the penalties where the data bring no validation part."""
CHOOSING, TOLERANCE, ITERATIONS = 3e-4, 1e-4, 100
"""Norms of the gradient while penalties are compared (their losses no longer change then), and at the end, where a
hundredth of it turned 1 (C = 100) and 5 (C = 10,000) of 2,000 predictions on CIFAR-10, the accuracy by .0005. Weak
penalties on tens of thousands of dimensions end by the last: stopping early is a penalty of its own."""


Model = TypeVar("Model")


@dataclass(frozen=True, eq=False)
class Probe:
    """What the linear probe found."""

    predictions: Tensor
    """Long `[M]`."""
    c: float
    """The chosen C, see `GRID`; of a ridge regression its penalty."""


def linear_probe(
    train: Tensor,
    labels: Tensor,
    test: Tensor,
    classes: int,
    *,
    val: tuple[Tensor, Tensor] | None = None,
    groups: Tensor | None = None,
    seed: int = 0,
    c: float | None = None,
) -> Probe:
    """Fit on `train [N, D]` with `labels [N]`, choose C, fit again on all of `train`, then predict `test [M, D]` once.

    C is judged on `val` (features and labels) or on what `held_out` holds of `train`, by the cross-entropy: over a few
    hundred samples the accuracy jumps about more than the penalties differ. From the strongest penalty of `GRID` the
    search walks to weaker ones as long as that helps; each solve starts from the one before. On the way back a solve
    could end where it starts: between two weak penalties the gradient changes by less than `CHOOSING`. Where `c` is
    given, nothing is chosen.
    """
    scaler = Scaler.of(train)
    rows, inner, widen = short(train, scaler)
    gram = inner.gram(rows) if rows.shape[1] <= STEERED else None
    if c is not None:
        only = _fit(rows, labels, classes, c, inner, gram, torch.ones(len(train)), None, TOLERANCE)
        return Probe(widen(only).after(scaler).predict(test)[0], c)
    kept = torch.ones(len(train))
    if val is None:
        left_out = held_out(labels, seed, groups)
        kept[left_out] = 0
        val = train[left_out], labels[left_out]
    held = val

    def solve(place: int, start: LinearClassifier | None) -> tuple[float, LinearClassifier]:
        model = _fit(rows, labels, classes, GRID[place], inner, gram, kept, start, CHOOSING)
        return F.cross_entropy(widen(model).after(scaler).logits(held[0])[:, 0], held[1]).item(), model

    place, chosen = walk(solve, len(GRID))
    final = _fit(rows, labels, classes, GRID[place], inner, gram, torch.ones(len(train)), chosen, TOLERANCE)
    return Probe(widen(final).after(scaler).predict(test)[0], GRID[place])


def walk(solve: Callable[[int, Model | None], tuple[float, Model]], count: int, first: int = 0) -> tuple[int, Model]:
    """The place among `count` with the lowest loss, and its model: losses have one valley, `first` is tried first."""
    best, place = solve(first, None), first
    for step in (1, -1):
        while 0 <= place + step < count:
            found = solve(place + step, best[1])
            if found[0] >= best[0]:
                break
            best, place = found, place + step
        if place != first:
            break
    return place, best[1]


def short(train: Tensor, scaler: Scaler) -> tuple[Tensor, Scaler, Callable[[LinearClassifier], LinearClassifier]]:
    """The rows that are solved on, what scales them on the fly, and the way back: `condense` where rows are few."""
    if train.shape[1] <= len(train):
        return train, scaler, lambda model: model
    rows, widen = condense(scaler(train)[None])
    return rows[0], Scaler(rows.new_zeros(len(train)), rows.new_ones(len(train))), widen


def _fit(
    train: Tensor,
    labels: Tensor,
    classes: int,
    c: float,
    scaler: Scaler,
    gram: Tensor | None,
    weight: Tensor,
    start: LinearClassifier | None,
    tolerance: float,
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
        tolerance=tolerance,
        iterations=ITERATIONS,
    )


def tuned_on(val: object | None, groups: object | None = None) -> str:
    """Where a penalty was chosen, in words; `val`: the data's own validation part, if there is one."""
    if val is not None:
        return "the validation part"
    way = "drawn by class" if groups is None else "whole groups if any can be spared"
    return f"{HELD_OUT:.0%} of train, {way}, then refitted"


def held_out(labels: Tensor, seed: int, groups: Tensor | None = None) -> Tensor:
    """Rows, long, of a fifth of the samples, drawn by `seed`: whole `groups` (long `[N]`, -1 for none), else by class.

    Groups are held out until a fifth is reached, one at least, but for those without which a class would be left with
    no sample; where none can be, as without groups, it is a fifth of each class, and a class of one stays in training.
    """
    generator = torch.Generator().manual_seed(seed)
    if groups is not None and len(whole := held_out_groups(labels, groups, generator)):
        return whole
    parts = []
    for label in torch.unique(labels):
        rows = (labels == label).nonzero().flatten()
        parts.append(rows[torch.randperm(len(rows), generator=generator)][: round(HELD_OUT * len(rows))])
    return torch.cat(parts)


def held_out_groups(labels: Tensor, groups: Tensor, generator: torch.Generator) -> Tensor:
    """Rows, long, of about a fifth of the samples as whole groups; none where no group can be spared."""
    units, of = units_of(groups)
    order = torch.randperm(units, generator=generator)
    held = torch.zeros(units, dtype=torch.bool)
    left = torch.bincount(labels)
    count, enough = 0, HELD_OUT * len(labels)
    by_group = torch.split(of.argsort(stable=True), torch.bincount(of).tolist())
    for unit in order.tolist():
        rows = by_group[unit]
        own = torch.bincount(labels[rows], minlength=len(left))
        if ((own > 0) & (own == left)).any():
            continue
        held[unit] = True
        left, count = left - own, count + len(rows)
        if count >= enough:
            break
    return held[of].nonzero().flatten()


def units_of(groups: Tensor) -> tuple[int, Tensor]:
    """How many units `groups` (long `[N]`) make, each sample of none (-1) being one alone, and that of each, `[N]`."""
    alone = len(groups) + torch.arange(len(groups)) + int(groups.max())
    units, of = torch.unique(torch.where(groups >= 0, groups, alone), return_inverse=True)
    return len(units), of
