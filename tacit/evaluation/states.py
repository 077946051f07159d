"""What is known of a state, told from features by linear probes: classes by F1, numbers by R2, over whole episodes.

N training moments, M test moments, E test episodes, R resamples of these.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.evaluation.linear import held_out, units_of
from tacit.evaluation.scaler import Scaler

LOW_ENTROPY = 0.6
"""Nats below which a state of classes is hardly ever another one: left out, as in Anand et al. 2019, section 5.2."""
PENALTIES = tuple(10 ** (-half / 2) for half in range(0, 15))
"""Added to the variances of features whose mean squared norm is one (`Scaler.of`), strongest first."""
WORST = -1.0
"""What R2 is at least: below 0 it says nothing more, and one state would decide the mean of all."""


def entropy(labels: Tensor) -> float:
    """Of the shares of the classes, in nats."""
    share = torch.unique(labels, return_counts=True)[1].double() / len(labels)
    return float(torch.special.entr(share).sum())


def regress(train: Tensor, values: Tensor, test: Tensor, *, groups: Tensor | None, seed: int = 0) -> Tensor:
    """Ridge regression of the numbers `values [N, K]` on `train [N, D]`: what it says of `test [M, D]`, `[M, K]`.

    Each number has the penalty that does best on a fifth of the training part, whole `groups` of it, and is then
    fitted to all.
    """
    scaler = Scaler.of(train)
    rows, asked = scaler(train).double(), scaler(test).double()
    left_out = held_out(torch.zeros(len(train), dtype=torch.long), seed, groups)
    kept = torch.ones(len(train), dtype=torch.bool)
    kept[left_out] = False
    best = values.new_full((values.shape[1],), torch.inf).double()
    chosen = torch.zeros(values.shape[1], dtype=torch.long)
    for number, guess in enumerate(_solved(rows[kept], values[kept].double(), rows[left_out])):
        error = (guess - values[left_out]).square().sum(dim=0)
        chosen = torch.where(error < best, number, chosen)
        best = torch.minimum(error, best)
    answers = torch.stack(list(_solved(rows, values.double(), asked)))  # [P, M, K]
    return answers[chosen, :, torch.arange(len(chosen))].T


def _solved(rows: Tensor, values: Tensor, asked: Tensor) -> Iterable[Tensor]:
    """What ridge regressions with each of `PENALTIES` say of `asked`, `[M, K]` each."""
    mean, level = rows.mean(dim=0), values.mean(dim=0)
    centred = rows - mean
    if len(rows) < rows.shape[1]:  # the answer lies in the span of the rows
        sizes, left = torch.linalg.eigh(centred @ centred.T)
        known = sizes > 1e-12 * sizes[-1]
        sizes = sizes[known]
        axes = centred.T @ (left[:, known] / sizes.sqrt())
    else:
        sizes, axes = torch.linalg.eigh(centred.T @ centred)
        sizes = sizes.clamp_min(0)
    cross, along = axes.T @ (centred.T @ (values - level)), (asked - mean) @ axes
    for penalty in PENALTIES:
        weights = cross / (sizes + penalty * len(rows))[:, None]
        yield along @ weights + level


def per_episode(rows: Tensor, episodes: Tensor) -> Tensor:
    """Sums of `rows [M, C]` over the moments of each episode, float64 `[E, C]`; `episodes`: long `[M]`, 0 to E - 1."""
    total = rows.new_zeros(int(episodes.max()) + 1, rows.shape[1], dtype=torch.float64)
    return total.index_add_(0, episodes, rows.double())


def f1(predictions: Tensor, labels: Tensor, episodes: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """F1 of classes, the plain mean over them (macro) and the mean by how often each is true (weighted), `[R]` each.

    `predictions`, `labels`: long `[M]`; `weights [R, E]`: how often each episode counts. Classes that are neither true
    nor predicted under a weight are passed over, as in scikit-learn.
    """
    count = int(torch.maximum(predictions.max(), labels.max())) + 1
    said, true = F.one_hot(predictions, count), F.one_hot(labels, count)
    right, said, true = (weights @ per_episode(each, episodes) for each in (said * true, said, true))
    each = 2 * right / (said + true).clamp_min(1e-12)
    macro = each.sum(dim=1) / ((said + true) > 0).sum(dim=1).clamp_min(1)
    return macro, (each * true).sum(dim=1) / true.sum(dim=1).clamp_min(1e-12)


def r2(guesses: Tensor, values: Tensor, episodes: Tensor, weights: Tensor) -> Tensor:
    """Share of the variance of `values [M]` that `guesses [M]` explain, `[R]`; at least `WORST`, 0 where none is."""
    values, guesses = values.double(), guesses.double()
    sums = torch.stack([torch.ones_like(values), values, values.square(), (guesses - values).square()], dim=1)
    count, first, second, error = (weights @ per_episode(sums, episodes)).T
    variance = second - first.square() / count.clamp_min(1e-12)
    known = variance > 1e-9 * second.abs()
    return torch.where(known, 1 - error / variance.where(known, 1.0), 0.0).clamp_min(WORST)


def numbered(episodes: Tensor) -> Tensor:
    """Episodes as 0 to E - 1, long `[M]`."""
    return units_of(episodes)[1]
