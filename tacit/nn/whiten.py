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


def related(cross: Tensor, covariance: Tensor, count: int) -> Tensor:
    """The `count` directions `[P, count]` along which cross / covariance, symmetric `[P, P]`, are largest, in order.

    Generalised eigenvectors, cross v = value covariance v; what is projected on them has unit covariance.
    """
    lower = torch.linalg.cholesky(covariance)
    half = torch.linalg.solve_triangular(lower, cross, upper=False)
    _, vectors = torch.linalg.eigh(torch.linalg.solve_triangular(lower, half.T, upper=False))
    directions: Tensor = torch.linalg.solve_triangular(lower.T, vectors[:, -count:].flip(1), upper=True)
    return directions


def principal(covariance: Tensor, count: int, ridge: float, power: float) -> Tensor:
    """The `count` principal directions `[P, count]` of this covariance, each divided by the deviation along it to the
    `power`: at 0, as they are, the first few drown all others; at 1 noise counts as much as what matters.

    `ridge`, a share of the mean variance, is added to the variances, so that the last ones are not blown up.
    """
    values, vectors = torch.linalg.eigh(covariance)
    variances = values.clamp_min(0) + ridge * covariance.diagonal().mean()
    directions: Tensor = (vectors * variances.clamp_min(1e-12) ** (-power / 2))[:, -count:].flip(1)
    return directions
