"""How many bits samples need: what keeps views that agree from all being one point."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def coding_rate(z: Tensor, precision: float) -> Tensor:
    """The rate at which samples are coded to within the root of `precision` (Tong et al. 2023, arXiv 2304.03977, eq. 1,
    from Yu et al. 2020, arXiv 2006.08558): half of log det(I + D / (B precision) sum_i z_i z_i^T), of directions.

    Args:
        z: `[V, B, D]`, need not be normalised.
        precision: the square of the error that is allowed.

    Returns:
        `[V]`, one a view; `least_rate` where all samples are one point, `most_rate` where they share the space evenly;
        NaN where `z` is.
    """
    _, batch, width = z.shape
    with torch.autocast(z.device.type, enabled=False):  # there is no determinant in bfloat16
        z = F.normalize(z, dim=2)
        spread = torch.eye(width, dtype=z.dtype, device=z.device) + z.transpose(1, 2) @ z * (width / batch / precision)
        # without the check, which would end a run whose loss is about to say what is wrong
        rate: Tensor = torch.linalg.cholesky_ex(spread).L.diagonal(dim1=1, dim2=2).log().sum(dim=1)
    return rate


def least_rate(width: int, precision: float) -> float:
    """The coding rate of samples that are all one point of `width` numbers."""
    return math.log1p(width / precision) / 2


def most_rate(batch: int, width: int, precision: float) -> float:
    """The coding rate of `batch` samples that point to as many sides as they can, to each one equally often."""
    sides = min(batch, width)
    return sides * math.log1p(width / precision / sides) / 2


def distance_to_mean(z: Tensor) -> Tensor:
    """How far each view's direction is from the mean of all of the sample's (Tong et al. 2023, eq. 4): one less their
    cosine, the mean over the views of `z [V, B, D]`, `[B]`."""
    z = F.normalize(z, dim=2)
    return 1 - F.cosine_similarity(z, z.mean(dim=0, keepdim=True), dim=2).mean(dim=0)
