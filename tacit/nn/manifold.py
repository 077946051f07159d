"""What neighbouring patches share, place by place: an encoder of two layers that needs no gradient."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Features, View
from tacit.nn.patch_reader import PatchReader, in_parallel

GRID = 4
"""Embeddings of patches are pooled over so many cells a side."""


class ManifoldEncoder(PatchReader):
    """Codes of patches, embedded so that neighbours are alike, pooled over a grid of cells, a little evened out.

    Of a whitened patch u of length one: code a_k = max(0, u . c_k - t), embedding z = (a - mean a) P of length one. The
    means of z over 4 x 4 cells, side by side, are given by their principal components, each divided by its deviation to
    the power `evened`. As in Chen et al. 2022, arXiv 2209.15261. Image by image: codes never leave the cache.
    """

    project: Tensor
    """`[K, E]`."""
    shift: Tensor
    """`[E]`: what the mean code becomes."""
    centre: Tensor
    """`[16 E]`."""
    components: Tensor
    """`[16 E, D]`."""

    class Config(Named):
        name: Literal["manifold"] = "manifold"
        filters: int = Field(default=2048, ge=2, description="atoms in the dictionary")
        patch: int = Field(default=6, ge=2, le=16, description="side of a patch in pixels")
        stride: int = Field(default=2, ge=1, le=8, description="pixels from one patch to the next")
        threshold: float = Field(default=0.2, ge=0, lt=1, description="cosine with an atom from which on it counts")
        width: int = Field(default=192, ge=1, description="E, width of a patch's embedding; at most `filters`")
        dim: int = Field(default=1024, ge=1, description="D, principal components; at most 16 times `width`")
        evened: float = Field(
            default=0.25, ge=0, le=1, description="how far components are made alike in size; more for many labels"
        )
        mirror: bool = Field(default=False, description="the mean of an image and its mirror image, for twice the time")
        size: int = Field(default=32, ge=8, le=128, description="larger images are reduced to this side")

    def __init__(self, config: Config, sample: View) -> None:
        super().__init__(config.filters, config.patch, config.size, sample)
        self.config = config
        width = min(config.width, config.filters)
        self.dim = min(config.dim, GRID**2 * width)
        self.register_buffer("project", torch.zeros(config.filters, width))
        self.register_buffer("shift", torch.zeros(width))
        self.register_buffer("centre", torch.zeros(GRID**2 * width))
        self.register_buffer("components", torch.zeros(GRID**2 * width, self.dim))

    @torch.no_grad()
    def forward(self, view: View) -> Features:
        """Pooled `[B, D]`: principal components, the largest first."""
        cells = self.cells(view.x)
        with torch.autocast(view.x.device.type, enabled=False):
            return Features((cells - self.centre) @ self.components)

    def codes(self, rows: Tensor, atoms: Tensor | None = None) -> Tensor:
        """How far cosines of patches `[..., P]` with atoms are above the threshold: `[..., K]`.

        Computed in the precision of `atoms [K, P]`, where these are given.
        """
        atoms = self.atoms if atoms is None else atoms
        minus = atoms.new_full((len(atoms),), -self.config.threshold)
        return F.linear(F.normalize(self.white(rows), dim=-1).to(atoms.dtype), atoms, minus).relu_()

    def embedded(self, x: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Embeddings of length one of all patches of the images `x [B, C, H, W]`, row by row: `[B, L, E]`."""
        atoms, turned, shift = (each.to(dtype) for each in (self.atoms, self.project.T, -self.shift))
        rows = self.patches(x, self.config.stride)
        return torch.stack([F.normalize(F.linear(self.codes(image, atoms), turned, shift), dim=-1) for image in rows])

    @torch.no_grad()
    def cells(self, x: Tensor) -> Tensor:
        """Mean embeddings of the cells, one behind the other: `[B, 16 E]`."""
        dtype = torch.bfloat16 if torch.is_autocast_enabled(x.device.type) else torch.float32
        pool = self._pool(x).to(dtype)

        def encode(tile: Tensor) -> Tensor:
            with torch.no_grad():
                found = torch.matmul(pool, self.embedded(tile, dtype)).float()
                if self.config.mirror:
                    found = (found + torch.matmul(pool, self.embedded(tile.flip(-1), dtype)).float()) / 2
                return found.flatten(1)

        return torch.cat(in_parallel(encode, torch.split(x, 16)))

    def _pool(self, x: Tensor) -> Tensor:
        """The pooling matrix `[16, L]`: the mean of each cell's patches."""
        side = self.side(x, self.config.stride)
        each = torch.eye(side**2, device=x.device).view(-1, 1, side, side)
        return F.adaptive_avg_pool2d(each, GRID).flatten(1).T
