"""The linear probe in closed form: ridge regression on one-hot labels, for features of thousands of dimensions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit import interrupt
from tacit.evaluation.linear import Probe, held_out, short
from tacit.evaluation.logistic import LinearClassifier
from tacit.evaluation.scaler import Scaler, add_products

PENALTIES = tuple(10 ** (-half / 2) for half in range(2, 17))
"""Added to the variances of features whose mean squared norm is one (`Scaler.of`), strongest first."""
WIDEST = 16_384
"""Dimensions beyond which the Gram matrix is too large to be worth it."""


def ridge_probe(
    train: Tensor,
    labels: Tensor,
    test: Tensor,
    classes: int,
    *,
    val: tuple[Tensor, Tensor] | None = None,
    groups: Tensor | None = None,
    seed: int = 0,
) -> Probe:
    """Fit on `train [N, D]` with `labels [N]`, choose the penalty, fit again on all of `train`, predict `test [M, D]`.

    minimise mean |one_hot(y) - b - W z|^2 + penalty |W|^2 over W, b being the shares of the classes. The penalty is
    judged by the accuracy on `val`, or on what `held_out` holds of `train`: the squared error knows no classes, and
    asks for stronger ones (CIFAR-10, 6,400 dimensions: .738 instead of .741). One pass over the features,
    whatever the number of penalties; D, or N where that is smaller, may be no more than `WIDEST`.
    """
    scaler = Scaler.of(train)
    rows, inner, widen = short(train, scaler)
    target = F.one_hot(labels, classes).float()
    share = target.mean(0)
    kept = torch.ones(len(train), dtype=torch.bool)
    left_out = torch.empty(0, dtype=torch.long)
    if val is None:
        left_out = held_out(labels, seed, groups)
        kept[left_out] = False
        val = train[left_out], labels[left_out]
    gram, cross = _sums(rows, inner, target - share, kept.nonzero().flatten())
    best, penalty = -1, PENALTIES[0]
    for candidate in PENALTIES:
        interrupt.check()
        model = _solve(gram, cross, candidate * int(kept.sum()), share)
        if model is None:
            break
        right = int((widen(model).after(scaler).predict(val[0])[0] == val[1]).sum())
        if right > best:
            best, penalty = right, candidate
    more = _sums(rows, inner, target - share, left_out)
    final = _solve(gram + more[0], cross + more[1], penalty * len(train), share)
    assert final is not None, "more rows make no matrix singular"
    return Probe(widen(final).after(scaler).predict(test)[0], penalty)


def _sums(rows: Tensor, scaler: Scaler, target: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Z^T Z `[D, D]`, right on and above its diagonal, and Z^T Y `[D, C]` over the `chosen` rows, long."""
    gram = rows.new_zeros(rows.shape[1], rows.shape[1])
    cross = rows.new_zeros(rows.shape[1], target.shape[1])
    for some in torch.split(chosen, 4096):
        interrupt.check()
        scaled = scaler(rows[some])
        add_products(gram, scaled)
        cross.addmm_(scaled.T, target[some])
    return gram, cross


def _solve(gram: Tensor, cross: Tensor, penalty: float, share: Tensor) -> LinearClassifier | None:
    """From a Gram matrix that is right on and above its diagonal; None where the penalty is too weak for single
    precision."""
    bound = gram.clone()
    bound.diagonal().add_(penalty)
    factor, failed = torch.linalg.cholesky_ex(bound, upper=True)
    if failed:
        return None
    weights = torch.cholesky_solve(cross, factor, upper=True)
    return LinearClassifier(weights[None], share[None], weights.new_zeros(1))
