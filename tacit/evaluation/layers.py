"""A probe on a sum of layers, its weights learnt with it: what an encoder knows, wherever in it that stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.evaluation.linear import CHOOSING, GRID, ITERATIONS, TOLERANCE, held_out, walk
from tacit.evaluation.logistic import STEERED, LinearClassifier, fit
from tacit.evaluation.scaler import Scaler

ROUNDS, SETTLED = 30, 1e-4
"""The most moves of the weights, and the slope along them at which they rest."""


@dataclass(frozen=True, eq=False)
class WeightedProbe:
    """What a probe on a sum of layers found."""

    predictions: Tensor
    """Long `[M]`."""
    c: float
    """The chosen C, of `linear.GRID`."""
    weights: Tensor
    """Float64 `[K]`, not negative, their sum is one."""


def weighted_probe(
    train: Tensor,
    labels: Tensor,
    test: Tensor,
    classes: int,
    *,
    val: tuple[Tensor, Tensor] | None = None,
    groups: Tensor | None = None,
    seed: int = 0,
) -> WeightedProbe:
    """Logistic regression on `sum_k softmax(a)_k z_k`, a learnt with it (Yang et al. 2021, SUPERB, arXiv 2105.01051).

    Each layer of `train [N, K, D]` is centred and brought to a mean squared norm of one first (`Scaler`), so that the
    weights compare what layers say and not how loud they are. C is chosen as in `linear.linear_probe`; `test [M, K, D]`
    is read once, at the end.
    """
    scalers = [Scaler.of(train[:, layer]) for layer in range(train.shape[1])]

    def scaled(x: Tensor) -> Tensor:
        return torch.stack([scaler(x[:, layer]) for layer, scaler in enumerate(scalers)], dim=1)

    z, kept = scaled(train), torch.ones(len(train))
    if val is None:
        left_out = held_out(labels, seed, groups)
        kept[left_out] = 0
        held, truth = z[left_out], labels[left_out]
    else:
        held, truth = scaled(val[0]), val[1]

    def solve(place: int, start: _Sum | None) -> tuple[float, _Sum]:
        model = _solve(_Objective(z, labels, classes, GRID[place], kept, CHOOSING), start or _Sum.even(z))
        return F.cross_entropy(model.logits(held), truth).item(), model

    place, chosen = walk(solve, len(GRID))
    final = _solve(_Objective(z, labels, classes, GRID[place], torch.ones(len(train)), TOLERANCE), chosen)
    return WeightedProbe(final.logits(scaled(test)).argmax(1), GRID[place], final.weights)


@dataclass(frozen=True, eq=False)
class _Sum:
    """Weights of layers, and a classifier of their sum."""

    scores: Tensor
    """a, float64 `[K]`."""
    classifier: LinearClassifier | None = None

    @classmethod
    def even(cls, z: Tensor) -> _Sum:
        return cls(torch.zeros(z.shape[1], dtype=torch.float64))

    @property
    def weights(self) -> Tensor:
        return self.scores.softmax(0)

    def sum(self, z: Tensor) -> Tensor:
        """`[N, K, D]` -> `[N, D]`."""
        return torch.einsum("nkd,k->nd", z, self.weights.to(z))

    def logits(self, z: Tensor) -> Tensor:
        """`[N, K, D]` -> `[N, C]`."""
        assert self.classifier is not None
        return self.classifier.logits(self.sum(z))[:, 0]


@dataclass(frozen=True, eq=False)
class _Objective:
    """The lowest regularised cross-entropy that any classifier reaches, as a function of the weights alone.

    Its slope is that of the loss at the best classifier, which stands still to first order (the envelope theorem).
    """

    z: Tensor
    labels: Tensor
    classes: int
    c: float
    kept: Tensor
    """Float `[N]`, 0 for rows that are left out."""
    tolerance: float

    def at(self, scores: Tensor, start: LinearClassifier | None) -> tuple[float, Tensor, LinearClassifier]:
        """Its value, its slope `[K]` along `scores`, and the best classifier, which is sought from `start`."""
        point = _Sum(scores)
        x, penalty = point.sum(self.z), 1 / (self.c * self.kept.sum().item())
        plain = Scaler(x.new_zeros(x.shape[1]), x.new_ones(x.shape[1]))
        best = fit(
            x,
            self.labels,
            self.classes,
            penalty,
            weight=self.kept,
            start=start,
            gram=plain.gram(x) if x.shape[1] <= STEERED else None,
            tolerance=self.tolerance,
            iterations=ITERATIONS,
        )
        logits, share = best.logits(x)[:, 0].double(), (self.kept / self.kept.sum()).double()
        loss = (F.cross_entropy(logits, self.labels, reduction="none") * share).sum()
        loss = loss + 0.5 * penalty * best.weights.double().square().sum()
        residual = (logits.softmax(1) - F.one_hot(self.labels, self.classes)) * share[:, None]
        back = residual.to(x) @ best.weights[0].T  # the loss's slope along each row of the sum, [N, D]
        along = torch.einsum("nkd,nd->k", self.z, back).double()
        weights = point.weights
        return loss.item(), weights * (along - weights @ along), best


def _solve(objective: _Objective, start: _Sum) -> _Sum:
    """The weights and the classifier at which `objective` is lowest, by L-BFGS in the few weights."""
    scores, classifier = start.scores.clone(), start.classifier
    mover = torch.optim.LBFGS(
        [scores], max_iter=ROUNDS, tolerance_grad=SETTLED, tolerance_change=1e-6, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        nonlocal classifier
        loss, scores.grad, classifier = objective.at(scores.detach(), classifier)
        return loss

    step: Callable[[Callable[[], float]], float] = mover.step
    step(closure)
    _, _, best = objective.at(scores, classifier)  # the last move that was tried need not be the one that was taken
    return _Sum(scores, best)
