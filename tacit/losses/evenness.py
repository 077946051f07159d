"""How evenly samples are spread: over choices.

B samples.
"""

from __future__ import annotations

import math

from torch import Tensor

TINY = 1e-8
"""The least share of a choice."""


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
