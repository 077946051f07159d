"""CIE Lab: lightness apart from colour, in units that are about equally visible (CIE 1976, illuminant D65)."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

_XYZ = torch.tensor([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
_WHITE = torch.tensor([0.95047, 1.0, 1.08883])
_RGB = torch.linalg.inv(_XYZ)
_LAB = torch.tensor([[0.0, 116.0, 0.0], [500.0, -500.0, 0.0], [0.0, 200.0, -200.0]])
_F = torch.linalg.inv(_LAB)
_KNEE = 6 / 29
GRID = 10
"""Distance of neighbouring colours in `gamut` (Zhang et al. 2016, section 2.1)."""


def to_lab(x: Tensor) -> Tensor:
    """sRGB in [0, 1] -> L in [0, 100], a and b in about [-128, 127]: `[B, 3, ...]` both."""
    linear = torch.where(x > 0.04045, ((x.clamp_min(0) + 0.055) / 1.055) ** 2.4, x / 12.92)
    t = _mix(linear, _XYZ / _WHITE[:, None])
    f = torch.where(t > _KNEE**3, t.clamp_min(1e-6) ** (1 / 3), t / (3 * _KNEE**2) + 4 / 29)
    offset = torch.tensor([-16.0, 0.0, 0.0], device=x.device)
    return _mix(f, _LAB) + offset.view(-1, *[1] * (x.dim() - 2))


def to_rgb(lab: Tensor) -> Tensor:
    """The inverse of `to_lab`; colours that sRGB does not have are clipped to [0, 1]."""
    offset = torch.tensor([16.0, 0.0, 0.0], device=lab.device)
    f = _mix(lab + offset.view(-1, *[1] * (lab.dim() - 2)), _F)
    t = torch.where(f > _KNEE, f**3, 3 * _KNEE**2 * (f - 4 / 29))
    linear = _mix(t, _RGB * _WHITE).clamp(0, 1)
    return torch.where(linear > 0.0031308, 1.055 * linear.clamp_min(1e-6) ** (1 / 2.4) - 0.055, 12.92 * linear)


def _mix(x: Tensor, matrix: Tensor) -> Tensor:
    """`matrix [3, 3]` applied to the channels of `x [B, 3, ...]`."""
    return torch.einsum("dc,bc...->bd...", matrix.to(x), x)


@cache
def gamut() -> Tensor:
    """The (a, b) on a grid of `GRID` units that sRGB can show at some lightness: `[Q, 2]`, Q about 300."""
    steps = torch.linspace(0, 1, 64)
    colours = torch.cartesian_prod(steps, steps, steps)
    points: Tensor = torch.unique((to_lab(colours)[:, 1:] / GRID).round(), dim=0)
    return points * GRID
