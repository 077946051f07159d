"""Losses of whitened embeddings: none can be one point for all, and no two features say the same.

V views of B samples, D features.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TINY = 1e-12
"""The least variance, features' mean, by which embeddings are divided."""


def whitened(z: Tensor, shrinkage: float) -> Tensor:
    """Embeddings turned and stretched so that their covariance over the batch is the identity (Ermolov et al. 2021,
    arXiv 2007.06346, section 3, with the triangular matrix of Cholesky): the first feature is standardised, each later
    one loses what those before it say.

    Args:
        z: `[..., N, D]`, float32 or float64, N above D: of fewer samples some features have nothing left to say.
        shrinkage: share of the features' mean variance in their covariance, above 0, so that it has a root. As it is
            relative, embeddings do not become smaller for it.

    Returns:
        `[..., N, D]`; NaN where `z` is.
    """
    with torch.autocast(z.device.type, enabled=False):  # there is no Cholesky in bfloat16
        about = z - z.mean(dim=-2, keepdim=True)
        covariance = about.mT @ about / (z.shape[-2] - 1)
        mean = covariance.diagonal(dim1=-2, dim2=-1).mean(dim=-1).clamp_min(TINY)[..., None, None]
        even = mean * torch.eye(z.shape[-1], dtype=z.dtype, device=z.device)
        # without the check, for which a GPU would be waited for: what is no number is named by its loss
        root = torch.linalg.cholesky_ex(covariance.lerp(even, shrinkage)).L
        white: Tensor = torch.linalg.solve_triangular(root, about.mT, upper=False).mT
    return white


def whitened_apart(z: Tensor, orders: Tensor, shrinkage: float) -> Tensor:
    """How far the whitened views of a sample are apart, as directions (Ermolov et al. 2021, section 3): 2 - 2 cos, the
    mean over pairs of views, and over rounds in which the batch is divided at random.

    Each view is whitened by itself, over sub-batches of at least twice as many samples as features, as in the paper. Of
    B < 2 D samples the first B / 2 features alone are looked at: more of them could be whitened, to what says no more
    than that samples differ.

    Args:
        z: `[V, B, D]`, V >= 2, B >= 4: one feature alone has no direction but its sign.
        orders: long `[R, B]`, in which order samples are divided in each round.
        shrinkage: see `whitened`.

    Returns:
        `[B]`: 0 where views agree, 2 where they have nothing in common or all samples are one point, 4 if opposite.
    """
    views, batch, width = z.shape
    width = min(width, batch // 2)
    alike = z.new_zeros(batch)
    for order in orders:
        for part in order.tensor_split(batch // (2 * width)):
            unit = F.normalize(whitened(z[:, part, :width], shrinkage), dim=2)
            twice = unit.sum(dim=0).square().sum(dim=1) - unit.square().sum(dim=(0, 2))  # all pairs, in both orders
            alike = alike.index_add(0, part, twice)
    return 2 - 2 * alike / (len(orders) * views * (views - 1))
