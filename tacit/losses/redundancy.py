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
TINY = 1e-5
"""Added to variances by which features are divided, as by BatchNorm."""
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


def correlation(z: Tensor) -> Tensor:
    """Correlations of the features of one view with those of another over the batch (Zbontar et al. 2021, arXiv
    2103.03230, eq. 2), for each pair of the views of `z [V, B, D]`: `[V (V - 1) / 2, D, D]`. A feature that stands
    still has none with any."""
    about = z - z.mean(dim=1, keepdim=True)
    unit = about / (about.square().mean(dim=1, keepdim=True) + TINY).sqrt()
    first, second = torch.triu_indices(len(z), len(z), 1, device=z.device)
    return unit[first].transpose(1, 2) @ unit[second] / z.shape[1]


def off_identity(correlation: Tensor) -> tuple[Tensor, Tensor]:
    """How far matrices `[P, D, D]` are from the identity: the squares of what the diagonals lack of 1, and of all that
    is off them, each summed; two scalars, means over the matrices (Zbontar et al. 2021, eq. 1)."""
    own = correlation.diagonal(dim1=1, dim2=2)
    apart = correlation.square().sum(dim=(1, 2)) - own.square().sum(dim=1)
    return (1 - own).square().sum(dim=1).mean(), apart.mean()


def narrowness(z: Tensor) -> Tensor:
    """What the batch lacks of filling its space evenly, from 0 to 1, where all samples and views are one point: the
    sum of the singular values of the samples' centroids (Yerxa et al. 2023, arXiv 2303.03307, section 2.4), each the
    mean of a sample's views as directions, between what it is for one point, sqrt(B), and the most it can be,
    sqrt(B min(B, D)).

    Args:
        z: `[V, B, D]`, need not be normalised; B and D above 1.

    Returns:
        A scalar. It is 1 + 1 / (sqrt(min(B, D)) - 1) where centroids vanish.
    """
    batch, least = z.shape[1], min(z.shape[1:]) ** 0.5
    whole = torch.linalg.svdvals(F.normalize(z, dim=2).mean(dim=0)).sum() / batch**0.5
    lacking: Tensor = (least - whole) / (least - 1)
    return lacking


def off_centre(z: Tensor) -> Tensor:
    """The square of the batch's mean, the mean over features and views of `z [V, B, D]`, a scalar (Wu et al. 2026,
    arXiv 2606.02572, eq. 6)."""
    return z.mean(dim=1).square().mean()


def off_scale(z: Tensor) -> Tensor:
    """The square of what features' deviations lack of 1 or have beyond it, the mean over features and views of
    `z [V, B, D]`, a scalar (Wu et al. 2026, eq. 1): 1 where all samples are one point, with a pull that stays."""
    variance = (z - z.mean(dim=1, keepdim=True)).square().mean(dim=1)
    return (1 - (variance + TINY).sqrt()).square().mean()


def off_shape(z: Tensor, directions: Tensor) -> Tensor:
    """How far the batch, its features standardised, is from a normal distribution, seen along random directions: the
    squared distance of Wasserstein to its quantiles (Wu et al. 2026, eq. 2 and 5). These are scaled to a deviation of
    1, which a few have less of: else small batches would be drawn together.

    Args:
        z: `[V, B, D]`. No gradient passes through the deviations, which `off_scale` sees to.
        directions: `[M, D]`, of any length.

    Returns:
        A scalar, the mean over views and directions; 1 for one point.
    """
    about = z - z.mean(dim=1, keepdim=True)
    unit = about / (about.detach().square().mean(dim=1, keepdim=True).sqrt() + EPSILON)
    along = (unit @ F.normalize(directions, dim=1).T).sort(dim=1).values  # [V, B, M]
    ranks = torch.arange(1, z.shape[1] + 1, device=z.device) / (z.shape[1] + 1)
    quantiles = torch.special.ndtri(ranks).to(z)
    off: Tensor = (along - (quantiles / quantiles.square().mean().sqrt())[:, None]).square().mean()
    return off


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
