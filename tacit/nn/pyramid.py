"""A light feature pyramid: maps of one width at the strides that a head asks for, from whatever maps there are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tacit.core import Encoder, View
from tacit.errors import UsageError
from tacit.nn.look import looked_at


def channels_by_stride(encoder: Encoder, sample: View) -> dict[int, int]:
    """Stride -> channels of the maps that `encoder` returns. Raises `UsageError` where it returns none."""
    maps = looked_at(encoder, View(sample.x)).maps
    if not maps:
        raise UsageError(
            f"{type(encoder).__name__} returns no feature maps, which say where something is: choose another encoder"
        )
    return {stride: each.shape[1] for stride, each in maps.items()}


SAME = 2**0.5
"""Strides within this factor are taken for one: sides that a stride does not divide make it look smaller."""


def _source(stride: int, channels: Mapping[int, int]) -> int | None:
    """The stride of the maps that a level is made of; None where it is made of the level before."""
    nearest = min(channels, key=lambda have: abs(math.log(have / stride)))
    if 1 / SAME < nearest / stride < SAME:
        return nearest
    return min(channels) if stride < min(channels) else None


class Pyramid(nn.Module):
    """Feature pyramid network (Lin et al. 2017, arXiv 1612.03144), built from the nearest maps there are.

    A level without maps of its own is enlarged from the finest ones, or shrunk from the level before.
    """

    def __init__(self, channels: Mapping[int, int], strides: Sequence[int], width: int) -> None:
        """`channels`: stride -> channels of the maps there are; `strides`: of the levels, finest first, by doubling."""
        super().__init__()
        self.strides = tuple(strides)
        self.sources = [_source(stride, channels) for stride in strides]
        assert self.sources[0] is not None, "the finest level is no coarser than the coarsest maps"
        self.sideways = nn.ModuleList(
            nn.Conv2d(width, width, 3, 2, 1) if source is None else nn.Conv2d(channels[source], width, 1)
            for source in self.sources
        )
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, 1, 1) for _ in strides)

    def forward(self, maps: Mapping[int, Tensor]) -> list[Tensor]:
        """`[B, width, H / s, W / s]` for each of `strides`."""
        levels: list[Tensor] = []
        for stride, source, layer in zip(self.strides, self.sources, self.sideways, strict=True):
            if source is None:
                levels.append(layer(F.relu(levels[-1])))
            else:
                level = layer(maps[source])
                levels.append(F.interpolate(level, scale_factor=source / stride) if source > SAME * stride else level)
        for place in range(len(levels) - 2, -1, -1):
            levels[place] = levels[place] + F.interpolate(levels[place + 1], levels[place].shape[2:])
        return [layer(level) for layer, level in zip(self.smooth, levels, strict=True)]


def joined(maps: Mapping[int, Tensor], stride: int) -> Tensor:
    """All maps at one stride, one behind the other: `[B, D, h, w]`, D the sum of their channels.

    Coarser maps are enlarged bilinearly, finer ones averaged. The grid is that of the map nearest to `stride`.
    """
    size = maps[min(maps, key=lambda have: abs(math.log(have / stride)))].shape[2:]
    return torch.cat([resized(each, size) for each in maps.values()], dim=1)


def resized(each: Tensor, size: Sequence[int]) -> Tensor:
    """A map `[B, D, h, w]` on another grid: enlarged bilinearly, or shrunk by averages."""
    if each.shape[2:] == tuple(size):
        return each
    if each.shape[2] > size[0]:
        return F.adaptive_avg_pool2d(each, (size[0], size[1]))
    return F.interpolate(each, tuple(size), mode="bilinear", align_corners=False)
