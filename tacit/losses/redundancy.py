"""Losses without negatives: features are to agree between views, to vary, and not to repeat each other.

V views of B samples, D features.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-4
"""Added to variances under the root, as in VICReg's section 4.1."""
KNOTS, FARTHEST = 17, 3.0
"""Places at which characteristic functions are compared, from 0 on, and the last of them; the weight is small there."""


def disagreement(z: Tensor) -> Tensor:
    """How far the views of a sample are apart (Bardes et al. 2022, arXiv 2105.04906, eq. 5): the mean square of their
    differences, over features and pairs of views.

    Args:
        z: `[V, B, D]`, V >= 2.

    Returns:
        `[B]`.
    """
    about = z - z.mean(dim=0)
    return 2 / (len(z) - 1) * about.square().mean(dim=2).sum(dim=0)


def stillness(z: Tensor) -> Tensor:
    """By how much features fall short of a deviation of 1 over the batch (Bardes et al. 2022, eq. 1 and 2); the mean
    over features and views of `z [V, B, D]`, a scalar: 1 where all samples are one point."""
    return F.relu(1 - (z.var(dim=1) + EPSILON).sqrt()).mean()


def redundancy(z: Tensor) -> Tensor:
    """The squared covariances between features (Bardes et al. 2022, eq. 3 and 4), summed and divided by D; the mean
    over the views of `z [V, B, D]`, a scalar."""
    about = z - z.mean(dim=1, keepdim=True)
    covariance = about.transpose(1, 2) @ about / (z.shape[1] - 1)
    whole = covariance.square().sum(dim=(1, 2))
    own = covariance.diagonal(dim1=1, dim2=2).square().sum(dim=1)
    return (whole - own).mean() / z.shape[2]


def unlike_gauss(z: Tensor, directions: Tensor) -> Tensor:
    """How unlike a standard normal distribution samples are, seen along random directions: SIGReg (Balestriero and
    LeCun 2025, arXiv 2511.08544), the test of Epps and Pulley (1983) with the weight exp(-t^2 / 2), by the trapezoid
    rule on `KNOTS` places up to `FARTHEST`.

    Args:
        z: `[V, B, D]`.
        directions: `[M, D]`, of any length.

    Returns:
        A scalar, the mean over views and directions. It grows as B for another distribution, and is about 1.05 for a
        normal one.
    """
    along = z @ F.normalize(directions, dim=1).T  # [V, B, M]
    places, normal, weights = (each.to(z) for each in _characteristic())
    turns = along.unsqueeze(-1) * places
    off = (turns.cos().mean(dim=1) - normal).square() + turns.sin().mean(dim=1).square()
    return (off @ weights).mean() * z.shape[1]


def one_point_unlike_gauss(batch: int) -> float:
    """What `unlike_gauss` is for `batch` samples that are all 0."""
    _, normal, weights = _characteristic()
    return batch * float((1 - normal).square() @ weights)


@lru_cache(maxsize=1)
def _characteristic() -> tuple[Tensor, Tensor, Tensor]:
    """Places, the normal distribution's characteristic function there, and weights; both halves of the line at once."""
    places = torch.linspace(0, FARTHEST, KNOTS)
    normal = torch.exp(-places.square() / 2)
    weights = torch.full((KNOTS,), 2 * FARTHEST / (KNOTS - 1))
    weights[[0, -1]] /= 2
    return places, normal, weights * normal
