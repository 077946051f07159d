"""What encoders of patches share: how patches are taken and whitened, and that each core keeps a tile to itself."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.core import Encoder, View
from tacit.errors import UsageError


class PatchReader(Encoder, ABC):
    """An encoder that holds every patch of an image against a dictionary of K whitened atoms of P values."""

    atoms: Tensor
    """`[K, P]`."""
    mean: Tensor
    """`[P]`, of patches without their own mean and contrast."""
    whiten: Tensor
    """`[P, P]`."""

    solved = True

    def __init__(self, filters: int, patch: int, size: int, sample: View) -> None:
        """`size`: the side to which larger images are reduced. Raises `UsageError` where a patch is larger."""
        super().__init__()
        channels, side = sample.x.shape[1], min(sample.x.shape[-1], size)
        if patch > side:
            raise UsageError(f"a patch of {patch} pixels is larger than the images ({side}): set encoder.patch to less")
        self.patch, self.size = patch, size
        self.register_buffer("atoms", torch.zeros(filters, channels * patch**2))
        self.register_buffer("mean", torch.zeros(channels * patch**2))
        self.register_buffer("whiten", torch.eye(channels * patch**2))

    def patches(self, x: Tensor, stride: int = 1) -> Tensor:
        """All patches of images `[B, C, H, W]` in [0, 1], on the scale of 8-bit values: `[B, L, P]`."""
        return F.unfold(self._scaled(x), self.patch, stride=stride).transpose(1, 2)

    def patches_at(self, x: Tensor, place: Tensor) -> Tensor:
        """Those of `patches` that stand at `place`, long `[B, M]`: `[B, M, P]`; the others are not cut out."""
        windows = self._scaled(x).unfold(2, self.patch, 1).unfold(3, self.patch, 1)
        own, side = torch.arange(len(x), device=x.device)[:, None], self.side(x)
        return windows[own, :, place // side, place % side].flatten(2)

    def reduced(self, x: Tensor) -> Tensor:
        """Images `[B, C, H, W]`, smaller where they are larger than `size`."""
        return F.interpolate(x, (self.size, self.size), mode="area") if x.shape[-1] > self.size else x

    def _scaled(self, x: Tensor) -> Tensor:
        """What patches are cut out of: `reduced` images on the scale of 8-bit values."""
        return self.reduced(x).float() * 255

    def side(self, x: Tensor, stride: int = 1) -> int:
        """How many patches lie along a side of images `x`; L is its square."""
        return (min(x.shape[-1], self.size) - self.patch) // stride + 1

    def white(self, rows: Tensor) -> Tensor:
        """Patches `[..., P]` without their own mean and contrast, whitened."""
        return (contrast(rows) - self.mean) @ self.whiten


def contrast(patches: Tensor, dim: int = -1) -> Tensor:
    """Patches without their own mean and contrast (Coates, Lee and Ng 2011, section 3.1); their values lie along `dim`.

    10 keeps noise of flat ones down.
    """
    centred = patches - patches.mean(dim, keepdim=True)
    # `var` takes ten times as long across rows
    return centred.div_(centred.square().mean(dim, keepdim=True).add_(10).sqrt_())


def in_parallel(function: Callable[[Tensor], Tensor], tiles: Sequence[Tensor]) -> list[Tensor]:
    """`function` of every tile, on a CPU one tile a thread: each core keeps its tile in its own cache.

    Where all cores share every operation instead, `patches` takes half as long again.
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
