"""Whitening."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

EACH = 4
"""Samples that a principal component is to stand on, at least."""


class Evened(nn.Module):
    """Principal components of rows, each divided by its deviation to a power, so that a few do not drown all others.

    Cosines of neighbours gain by it: what whitening does for retrieval (Jegou and Chum 2012, Negative Evidences and
    Co-occurrences in Image Retrieval, ECCV), by halves.
    """

    centre: Tensor
    """`[P]`."""
    components: Tensor
    """`[P, D]`, zeros until they are solved."""

    def __init__(self, width: int, dim: int, power: float) -> None:
        """From `width` P to `dim` D, of which those beyond P stay zeros."""
        super().__init__()
        self.power = power
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("components", torch.zeros(width, dim))

    @property
    def solved(self) -> bool:
        """Whether there are components."""
        return bool(self.components[:, 0].any())

    def forward(self, rows: Tensor) -> Tensor:
        """Rows `[B, P]` as components `[B, D]`, the largest first."""
        with torch.autocast(rows.device.type, enabled=False):
            return (rows.float() - self.centre) @ self.components

    @torch.no_grad()
    def solve(self, parts: Iterable[Tensor]) -> None:
        """From the rows of all samples in parts `[B, P]`. Of few samples the last components are chance: zeros."""
        count, total = 0, torch.zeros_like(self.centre)
        outer = torch.outer(total, total)
        shift: Tensor | None = None  # near the mean, so that sums of squares keep their digits
        for part in parts:
            shift = part.float().mean(0) if shift is None else shift
            rows = part.float() - shift
            count, total = count + len(rows), total + rows.sum(0)
            outer += rows.T @ rows
        if shift is None:
            return
        mean, keep = total / count, max(1, min(len(self.centre), self.components.shape[1], count // EACH))
        self.centre.copy_(mean + shift)
        found = principal(outer / count - torch.outer(mean, mean), keep, 1e-3, self.power)
        self.components.zero_()
        self.components[:, :keep] = found


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
