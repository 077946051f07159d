"""How evenly samples are spread: over choices, or over directions.

B samples.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

TINY = 1e-8
"""The least share of a choice, and what is added to squares of distances."""


def crowding(likely: Tensor) -> Tensor:
    """How far what samples choose, taken together, is from all choices alike: ln K less the entropy of the mean of what
    is said (Assran et al. 2022, arXiv 2204.07141, section 3: mean entropy maximisation).

    Args:
        likely: `[V, B, K]`, logarithms of what is said of K choices in V views.

    Returns:
        `[B]`, each sample's part: how crowded, on the mean, are the choices that it makes. Their mean lies between 0
        and ln K, where all make the same one.
    """
    said = likely.exp()
    common = said.mean(dim=(0, 1))
    price: Tensor = (said * common.clamp_min(TINY).log()).sum(dim=2).mean(dim=0) + math.log(likely.shape[2])
    return price


def koleo(z: Tensor) -> Tensor:
    """How near the nearest other sample is: Kozachenko and Leonenko's estimate of the entropy, as a loss (Sablayrolles
    et al. 2019, arXiv 1806.03198, eq. 3; Oquab et al. 2023, arXiv 2304.07193, section 4).

    Args:
        z: `[..., B, D]`, of any length; B above 1.

    Returns:
        `[..., B]`, the negative logarithm of the distance between directions: -ln 2 at best, where two are opposite.
    """
    unit = F.normalize(z, dim=-1)
    cosines = unit.detach() @ unit.detach().transpose(-1, -2)
    cosines.diagonal(dim1=-2, dim2=-1).fill_(-2)
    nearest = cosines.argmax(dim=-1, keepdim=True)
    other = unit.gather(-2, nearest.expand_as(unit))
    distance: Tensor = (unit - other).square().sum(dim=-1)
    return -0.5 * (distance + TINY).log()
