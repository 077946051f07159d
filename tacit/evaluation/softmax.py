"""What multinomial logistic regression minimises: many problems at once, all but two passes on their logits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.evaluation.scaler import Scaler

TOGETHER = 64
"""The most classes that have lengths of their own: what they cost grows with their square."""
RIDGE = 1e-10
"""Added to a curvature by lengths, as a share of its mean, so that it can be solved."""


@dataclass(frozen=True, eq=False)
class Place:
    """Where S problems stand, with all that was computed there."""

    theta: Tensor
    """`[S, C, D + 1]`, the bias in the last column."""
    logits: Tensor
    """`[S, C, N]`."""
    chance: Tensor
    """`[S, C, N]`, their softmax over the classes."""
    loss: Tensor
    """`[S]`: mean cross-entropy + penalty / 2 |W|^2."""


@dataclass(frozen=True, eq=False)
class Problem:
    """The objective of S problems: two passes over the features, and everything else on logits `[S, C, N]`.

    Logits and losses are float64, so that a decrease can be told from rounding; the features stay as they are. Classes
    come before rows, so that what is done with the logits runs along the rows, which are many.
    """

    x: Tensor
    """`[S, N, D]`."""
    y: Tensor
    """Long `[S, 1, N]`."""
    share: Tensor
    """`[S, 1, N]`, each row's share of the mean."""
    penalty: float
    shift: Tensor
    scale: Tensor

    @classmethod
    def of(cls, x: Tensor, y: Tensor, penalty: float, scaler: Scaler | None, weight: Tensor | None) -> Problem:
        share = torch.ones_like(y, dtype=torch.float64) if weight is None else weight.double()
        share = (share / share.sum(1, keepdim=True))[:, None]
        scaler = scaler or Scaler(x.new_zeros(x.shape[2]), x.new_ones(x.shape[2]))
        return cls(x, y[:, None], share, penalty, scaler.shift, scaler.scale)

    def logits(self, theta: Tensor) -> Tensor:
        """First pass: `[S, C, N]`."""
        weights = theta[..., :-1] / self.scale
        # one problem is a plain matrix product, many go faster with the features transposed: half the time each
        product = F.linear(self.x[0], weights[0]).T[None] if len(self.x) == 1 else weights @ self.x.mT
        bias = theta[..., -1] - weights @ self.shift
        return product.to(torch.float64, memory_format=torch.contiguous_format).add_(bias[..., None])

    def place(self, theta: Tensor, logits: Tensor) -> Place:
        """What the logits of `theta` say; one exponential serves the loss, the gradient and the curvature."""
        top = logits.amax(1, keepdim=True)
        chance = (logits - top).exp_()
        total = chance.sum(1, keepdim=True)
        entropy = (top + total.log() - logits.gather(1, self.y)) * self.share
        decay = 0.5 * self.penalty * theta[..., :-1].double().square().sum((1, 2))
        return Place(theta, logits, chance.div_(total), entropy.sum((1, 2)) + decay)

    def gradient(self, place: Place) -> Tensor:
        """Second pass: `[S, C, D + 1]`."""
        residual = place.chance * self.share
        residual.scatter_add_(1, self.y, -self.share)
        total = residual.sum(2, keepdim=True).to(self.x.dtype)
        narrow = residual.to(self.x.dtype)
        product = (narrow[0] @ self.x[0])[None] if len(self.x) == 1 else narrow @ self.x
        weights = (product - total * self.shift) / self.scale + self.penalty * place.theta[..., :-1]
        return torch.cat([weights, total], 2)

    def curvature(self, place: Place, along: Tensor, direction: Tensor) -> Tensor:
        """`[S, K, K]`: the second derivatives along `direction`, whose logits are `along`, by lengths of K classes.

        K is 1, one length for all, where there are more than `TOGETHER`.
        """
        decay = self.penalty * direction[..., :-1].double().square().sum(2)
        if along.shape[1] > TOGETHER:
            centred = along - (place.chance * along).sum(1, keepdim=True)
            spread = (place.chance * centred.square_()).sum(1, keepdim=True) * self.share
            return (spread.sum((1, 2)) + decay.sum(1))[:, None, None]
        moved = place.chance * along
        shared = moved * self.share
        bent = torch.diag_embed((shared * along).sum(2) + decay) - shared @ moved.mT
        # a class that nothing tells from the others bends nothing
        least = RIDGE * bent.diagonal(dim1=1, dim2=2).mean(1, keepdim=True)
        return bent + torch.diag_embed(least.clamp_min(1e-30).expand(-1, bent.shape[1]))
