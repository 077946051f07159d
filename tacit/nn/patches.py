"""Patches against a dictionary: a single-layer encoder that needs no gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Encoder, Features, View


class PatchEncoder(Encoder):
    """How near each patch lies to each of K whitened atoms, pooled over quadrants (Coates, Lee and Ng 2011).

    f_k(x) = max(0, mean_j z_j - z_k) with z_k = |x - c_k|, the triangle activation (section 4.2 there), pooled, and
    the square root of that: a patch that fills a quadrant should not outweigh all others (Perronnin et al. 2010 on
    Fisher vectors). Distances, activation and pooling run tile by tile, so that the K maps of an image never leave
    the cache.
    """

    atoms: Tensor
    mean: Tensor
    whiten: Tensor

    solved = True

    class Config(Named):
        name: Literal["patches"] = "patches"
        filters: int = Field(default=2000, ge=2, description="atoms in the dictionary; the encoder has 4 times as many")
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
        """All patches of images `[B, C, H, W]` in [0, 1], on the scale of 8-bit values: `[B, L, P]`."""
        if x.shape[-1] > self.config.size:
            x = F.interpolate(x, (self.config.size, self.config.size), mode="area")
        return F.unfold(x.float() * 255, self.config.patch).transpose(1, 2)

    @torch.no_grad()
    def forward(self, view: View) -> Features:
        """Pooled `[B, 4 K]`: quadrant by quadrant, atom by atom."""
        fast = torch.is_autocast_enabled(view.x.device.type)
        dtype = torch.bfloat16 if fast else torch.float32
        distances, pool = self._distances().to(dtype), self._quadrants(view.x).to(dtype)

        def encode(x: Tensor) -> Tensor:
            with torch.no_grad():
                rows = self._rows(x).to(dtype)
                return torch.stack([_triangle(image, distances, pool) for image in rows])

        return Features(torch.cat(in_parallel(encode, torch.split(view.x, 16))))

    @torch.no_grad()
    def activations(self, x: Tensor) -> Tensor:
        """Where each atom fires in the images `x [B, C, H, W]`, before pooling: `[B, K, h, w]`, a number a patch."""
        side = min(x.shape[-1], self.config.size) - self.config.patch + 1
        z = torch.matmul(self._rows(x), self._distances()).clamp_min_(0).sqrt_()
        fired = (z.mean(dim=-1, keepdim=True) - z).relu_()
        return fired.transpose(1, 2).reshape(len(x), -1, side, side)

    def _distances(self) -> Tensor:
        """`[P + 2, K]`: what rows of `_rows` have to be multiplied with to become squared distances to the atoms.

        |w - c|^2 = -2 w c + |w|^2 + |c|^2 with w = (p - mean) W is linear in (p, |w|^2, 1).
        """
        turned = -2 * self.whiten @ self.atoms.T
        norms = self.atoms.square().sum(dim=1) - self.mean @ turned
        return torch.cat([turned, torch.ones_like(norms)[None], norms[None]])

    def _rows(self, x: Tensor) -> Tensor:
        """Each patch, its squared norm when white, and a one: `[B, L, P + 2]`."""
        rows = contrast(self.patches(x))
        own = ((rows - self.mean) @ self.whiten).square().sum(-1, keepdim=True)
        return torch.cat([rows, own, torch.ones_like(own)], dim=-1)

    def _quadrants(self, x: Tensor) -> Tensor:
        """The pooling matrix `[4, L]`: each quadrant's mean over the grid of patches."""
        side = min(x.shape[-1], self.config.size) - self.config.patch + 1
        half = torch.arange(side, device=x.device) * 2 >= side
        upper = torch.stack([~half, half]).float()
        upper = upper / upper.sum(1, keepdim=True).clamp_min(1)
        return torch.einsum("ai,bj->abij", upper, upper).reshape(4, side * side)


def contrast(rows: Tensor) -> Tensor:
    """Patches `[..., P]` without their own mean and contrast (section 3.1 there); 10 keeps noise of flat ones down."""
    return (rows - rows.mean(-1, keepdim=True)) / (rows.var(-1, keepdim=True, unbiased=False) + 10).sqrt()


def _triangle(rows: Tensor, distances: Tensor, pool: Tensor) -> Tensor:
    """The root of max(0, mean - z) pooled, for one image's rows `[L, P + 2]`: `[4 K]`, in few passes over `[L, K]`."""
    z = torch.matmul(rows, distances).clamp_min_(0).sqrt_()
    # the difference before the sum: in bfloat16 the pooled mean and the pooled z would agree in all their digits
    near = torch.sub(z.mean(dim=-1, keepdim=True), z, out=z).relu_()
    return torch.matmul(pool, near).flatten().float().sqrt_()


def in_parallel(function: Callable[[Tensor], Tensor], tiles: Sequence[Tensor]) -> list[Tensor]:
    """`function` of every tile, on a CPU one tile a thread: each core keeps its tile in its own cache.

    Where all cores share every operation instead, this encoder takes half as long again.
    """
    threads = torch.get_num_threads()
    if threads == 1 or len(tiles) == 1 or tiles[0].device.type != "cpu":
        return [function(tile) for tile in tiles]
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(function, tiles))
    finally:
        torch.set_num_threads(threads)
