"""How well one ranking follows another: correlations, also on resamples, as weights say how often each sample counts.

N samples, R resamples.
"""

from __future__ import annotations

import torch
from torch import Tensor


def pearson(x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Pearson's correlation of `x` and `y`, each `[N]` or `[R, N]`, under each row of `weights [R, N]`: `[R]`.

    0 where one of the two is constant, so that nothing follows from it.
    """
    share = weights.double() / weights.sum(1, keepdim=True)
    across = x.double() - (share * x).sum(1, keepdim=True)
    down = y.double() - (share * y).sum(1, keepdim=True)
    covariance = (share * across * down).sum(1)
    spread = ((share * across.square()).sum(1) * (share * down.square()).sum(1)).sqrt()
    return torch.where(spread > 1e-12, covariance / spread.clamp_min(1e-12), 0.0).clamp(-1, 1)


def spearman(x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Spearman's correlation of `x` and `y`, each `[N]`, under each row of `weights [R, N]`: `[R]`.

    Pearson's of the ranks, which equal values share (Kendall 1945): as of samples that stand there as often as their
    weight says.
    """
    return pearson(ranks(x, weights), ranks(y, weights), weights)


def ranks(values: Tensor, weights: Tensor) -> Tensor:
    """The mean rank of each of `values [N]` under each row of `weights [R, N]`: float64 `[R, N]`."""
    ordered, order = values.sort()
    group = torch.cat([torch.zeros(1, dtype=torch.long), (ordered[1:] != ordered[:-1]).cumsum(0)])
    count = torch.zeros(len(weights), int(group[-1]) + 1, dtype=torch.float64)
    count.index_add_(1, group, weights[:, order].double())
    middle = count.cumsum(1) - (count - 1) / 2
    ranked = torch.empty(len(weights), len(values), dtype=torch.float64)
    ranked[:, order] = middle[:, group]
    return ranked
