"""Whitening."""

from __future__ import annotations

import torch
from torch import Tensor


def zca(covariance: Tensor, ridge: float) -> Tensor:
    """The symmetric matrix `[P, P]` that gives rows of this covariance `[P, P]` unit covariance.

    `ridge` is added to the variances, so that directions of mere noise are not blown up (Bell and Sejnowski 1997).
    """
    values, vectors = torch.linalg.eigh(covariance)
    whiten: Tensor = (vectors * (values.clamp_min(0) + ridge).rsqrt()) @ vectors.T
    return whiten
