"""Patches against a dictionary: a single-layer encoder that needs no gradient."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Features, View
from tacit.errors import UsageError
from tacit.nn.patch_reader import PatchReader, contrast, in_parallel

CACHED = 2**18
"""How many distances are computed at a time: a megabyte, which all steps find in a core's cache."""


class PatchEncoder(PatchReader):
    """How near each patch lies to each of K whitened atoms, pooled over cells (Coates, Lee and Ng 2011: quadrants).

    f_k(x) = max(0, mean_j z_j - z_k) with z_k = |x - c_k|, the triangle activation (section 4.2 there), pooled, and
    the square root of that: a patch that fills a cell should not outweigh all others (Perronnin et al. 2010 on
    Fisher vectors). Cells overlap: a patch counts by 1 - d along each axis, d its distance from a cell's centre in
    widths of a cell (as in SIFT, Lowe 2004, section 6.1). With `mirror` the mirror image is pooled, too, before the
    root. Distances, activation and pooling run tile by tile, so that the K maps of an image never leave the cache.
    """

    class Config(Named):
        name: Literal["patches"] = "patches"
        filters: int = Field(default=2000, ge=2, description="atoms in the dictionary: a number each in every cell")
        patch: int = Field(default=6, ge=2, le=16, description="side of a patch in pixels")
        cells: int = Field(default=2, ge=1, le=8, description="along a side: where in an image an atom lies")
        mirror: bool = Field(default=False, description="the patches of the mirror image, too, for twice the time")
        size: int = Field(default=32, ge=8, le=128, description="larger images are reduced to this side")

    def __init__(self, config: Config, sample: View) -> None:
        super().__init__(config.filters, config.patch, config.size, sample)
        self.config = config
        self.dim = config.cells**2 * config.filters
        if config.cells > (side := self.side(sample.x)):
            raise UsageError(
                f"{side} patches along a side of the images make no {config.cells} cells: set encoder.cells to less"
            )

    @torch.no_grad()
    def forward(self, view: View) -> Features:
        """Pooled `[B, cells^2 K]`: cell by cell, row by row, and atom by atom."""
        fast = torch.is_autocast_enabled(view.x.device.type)
        dtype = torch.bfloat16 if fast else torch.float32
        distances, pool = self._distances().to(dtype), self._cells(view.x).to(dtype)

        def read(x: Tensor) -> Tensor:
            return torch.stack(
                [_triangle(self._columns(image).to(dtype), distances, pool) for image in torch.split(x, 1)]
            )

        def encode(x: Tensor) -> Tensor:
            with torch.no_grad():
                # the root of the mean of both, not the mean of roots: .004 better on CIFAR-10
                return ((read(x) + read(x.flip(-1))) / 2 if self.config.mirror else read(x)).sqrt_()

        return Features(torch.cat(in_parallel(encode, torch.split(view.x, 16))))

    @torch.no_grad()
    def activations(self, x: Tensor) -> Tensor:
        """Where each atom fires in the images `x [B, C, H, W]`, before pooling: `[B, K, h, w]`, a number a patch."""
        side, distances = self.side(x), self._distances()
        z = torch.stack([torch.matmul(self._columns(image).T, distances) for image in torch.split(x, 1)])
        z = z.clamp_min_(0).sqrt_()
        fired = (z.mean(dim=-1, keepdim=True) - z).relu_()
        return fired.transpose(1, 2).reshape(len(x), -1, side, side)

    def _distances(self) -> Tensor:
        """`[P + 2, K]`: what `_columns` have to be multiplied with to become squared distances to the atoms.

        |w - c|^2 = -2 w c + |w|^2 + |c|^2 with w = (p - mean) W is linear in (p, |w|^2, 1).
        """
        turned = -2 * self.whiten @ self.atoms.T
        norms = self.atoms.square().sum(dim=1) - self.mean @ turned
        return torch.cat([turned, torch.ones_like(norms)[None], norms[None]])

    def _columns(self, image: Tensor) -> Tensor:
        """Of one image `[1, C, H, W]`: each patch, its squared norm when white, and a one, `[P + 2, L]`."""
        patches = contrast(self.patches(image)[0].T, dim=0)  # as they are cut out, so that sums run along memory
        own = torch.matmul(self.whiten.T, patches - self.mean[:, None]).square_().sum(0, keepdim=True)
        return torch.cat([patches, own, torch.ones_like(own)])

    def _cells(self, x: Tensor) -> Tensor:
        """The pooling matrix `[cells^2, L]`: each cell's weighted mean over the grid of patches."""
        side, cells = self.side(x), self.config.cells
        at, centre = (torch.arange(many, device=x.device) + 0.5 for many in (side, cells))
        along = (1 - (at * (cells / side) - centre[:, None]).abs()).clamp_min(0)
        along = along / along.sum(1, keepdim=True)
        return torch.einsum("ai,bj->abij", along, along).reshape(cells**2, side * side)


def _triangle(columns: Tensor, distances: Tensor, pool: Tensor) -> Tensor:
    """The mean of max(0, mean - z) by cell, for an image's `columns [P + 2, L]` and `pool [C, L]`: float `[C K]`."""
    some = max(1, CACHED // distances.shape[1])
    pooled = torch.zeros(len(pool), distances.shape[1], device=columns.device)
    for rows, share in zip(torch.split(columns.T, some), torch.split(pool, some, dim=1), strict=True):
        z = torch.matmul(rows, distances).clamp_min_(0).sqrt_()
        # the difference before the sum: in bfloat16 the pooled mean and the pooled z would agree in all their digits
        pooled += torch.matmul(share, torch.sub(z.mean(dim=-1, keepdim=True), z, out=z).relu_())
    return pooled.flatten()
