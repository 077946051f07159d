"""Patches against a dictionary: a single-layer encoder that needs no gradient."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Config
from tacit.core import Encoder, Features, View


class PatchEncoder(Encoder):
    """How near each patch lies to each of K whitened atoms, pooled over quadrants (Coates, Lee and Ng 2011).

    f_k(x) = max(0, mean_j z_j - z_k) with z_k = |x - c_k|, the triangle activation (section 4.2 there). Distances,
    activation and pooling run tile by tile, so that the K maps of an image never leave the cache.
    """

    atoms: Tensor
    mean: Tensor
    whiten: Tensor

    class Config(Config):
        name: Literal["patches"] = "patches"
        filters: int = Field(default=1600, ge=2, description="atoms in the dictionary; the encoder has 4 times as many")
        patch: int = Field(default=6, ge=2, le=16, description="side of a patch in pixels")
        size: int = Field(default=32, ge=8, le=128, description="larger images are reduced to this side")

    def __init__(self, config: Config, sample: View) -> None:
        super().__init__()
        self.config = config
        width = sample.x.shape[1] * config.patch**2
        self.dim = 4 * config.filters
        self.register_buffer("atoms", torch.zeros(config.filters, width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("whiten", torch.eye(width))

    def patches(self, x: Tensor) -> Tensor:
        """All patches of images `[B, C, H, W]`, each with its own mean and contrast removed: `[B, L, P]`."""
        if x.shape[-1] > self.config.size:
            x = F.interpolate(x, (self.config.size, self.config.size), mode="area")
        rows = F.unfold(x.float() * 255, self.config.patch).transpose(1, 2)
        # 10 keeps the noise of flat patches down, on the scale of 8-bit values (section 3.1 there)
        return (rows - rows.mean(-1, keepdim=True)) / (rows.var(-1, keepdim=True, unbiased=False) + 10).sqrt()

    @torch.no_grad()
    def forward(self, view: View) -> Features:
        """Pooled `[B, 4 K]`: quadrant by quadrant, atom by atom."""
        atoms, bias, shift = self._dictionary()
        pool = self._quadrants(view.x).to(atoms.dtype)
        tiles = [self._tile(tile, atoms, bias, shift, pool) for tile in torch.split(view.x, 1)]
        return Features(torch.cat(tiles))

    def _dictionary(self) -> tuple[Tensor, Tensor, Tensor]:
        """|w - c|^2 = |w|^2 - 2 w c + |c|^2 with w = (p - mean) W: the factors that do not depend on the patch."""
        fast = torch.bfloat16 if torch.is_autocast_enabled(self.atoms.device.type) else torch.float32
        matrix = torch.cat([self.whiten, -2 * self.whiten @ self.atoms.T], dim=1)
        shift = -(self.mean @ matrix)
        return matrix.to(fast), self.atoms.square().sum(1).to(fast), shift.to(fast)

    def _tile(self, x: Tensor, matrix: Tensor, norms: Tensor, shift: Tensor, pool: Tensor) -> Tensor:
        rows = self.patches(x).to(matrix.dtype)
        width = rows.shape[-1]
        both = torch.matmul(rows, matrix).add_(shift)
        own = both[..., :width].float().square().sum(-1, keepdim=True).to(matrix.dtype)
        z = both[..., width:].add_(norms).add_(own).clamp_min_(0).sqrt_()
        near = (z.mean(-1, keepdim=True) - z).relu_()
        return torch.matmul(pool, near).flatten(1).float()

    def _quadrants(self, x: Tensor) -> Tensor:
        """The pooling matrix `[4, L]`: each quadrant's mean over the grid of patches."""
        side = min(x.shape[-1], self.config.size) - self.config.patch + 1
        half = torch.arange(side, device=x.device) * 2 >= side
        upper = torch.stack([~half, half]).float()
        upper = upper / upper.sum(1, keepdim=True).clamp_min(1)
        return torch.einsum("ai,bj->abij", upper, upper).reshape(4, side * side)
