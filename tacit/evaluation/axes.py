"""Few numbers for many: the principal axes of features, evened out, in which neighbours and clusters are found."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

ROWS = 5000
"""Samples from which the axes are found."""


@dataclass(frozen=True, eq=False)
class Axes:
    """A linear map from features of width D to K coordinates, centred."""

    mean: Tensor
    """`[D]`."""
    directions: Tensor
    """`[D, K]`, of length s^-1/2 where s is the standard deviation along them."""

    @classmethod
    def of(cls, x: Tensor, width: int) -> Axes:
        """The `width` main axes of the features `x [N, D]`, found from `ROWS` evenly spread rows (fewer are all used).

        Coordinates have the square root of their standard deviation: between principal components, where the loudest
        drown the others, and whitened ones, where noise counts as much as anything. On SimCLR's features of CIFAR-10
        (512 wide, 12,000 samples, 40 labels) label propagation reached .347 on the features themselves, .347 on 256
        principal components, and .363 on 64, 128 or 256 evened out. The decomposition is a randomised one (Halko,
        Martinsson and Tropp 2011) from a fixed start, so that it takes no longer for wide features than for narrow.
        """
        rows = x[torch.linspace(0, len(x) - 1, min(ROWS, len(x))).long()].float()
        mean = rows.mean(0)
        width = min(width, *rows.shape)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            _, values, axes = torch.svd_lowrank(rows - mean, min(width + 16, *rows.shape), niter=4)
        spread = values[:width] / len(rows) ** 0.5
        real = spread > spread[0] * 1e-5
        return cls(mean, axes[:, :width] * torch.where(real, spread, torch.inf).rsqrt())

    def __call__(self, x: Tensor) -> Tensor:
        """Coordinates `[N, K]` of the features `x [N, D]`."""
        return torch.cat([(part.float() - self.mean) @ self.directions for part in torch.split(x, 4096)])
