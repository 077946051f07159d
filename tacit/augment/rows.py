"""Weighted sums of a few rows of images: what a crop, a change of size and a blur are along each axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor


class Taps(NamedTuple):
    """Which rows make up each of M new ones, and how much of each."""

    rows: Tensor
    """Long `[B, M, taps]`."""
    weight: Tensor
    """`[B, M, taps]`."""

    def of(self, part: slice) -> Taps:
        """Those of some of the images."""
        return Taps(self.rows[part], self.weight[part])


def crop(places: Tensor, half: Tensor, length: int, most: float, outside: str) -> Taps:
    """Which of `length` pixels, and how much of each, make up the pixels at `places [B, N]`.

    Neighbours are mixed linearly; where the N pixels of a crop lie further apart than those of the image, as many as
    they cover (a triangle as wide as two of them). `half`: of the crop's width, `[B]`, at most `most`.
    """
    step = length / places.shape[1]  # between pixels of a crop that is the whole image
    reach = (half.abs() * step).clamp_min(1)[:, None, None]
    taps = torch.arange(math.ceil(2 * max(1.0, most * step) - 1e-4), device=places.device)
    centre = ((places + 1) * (length / 2) - 0.5)[:, :, None]
    pixel = (centre - reach).floor() + 1 + taps
    weight = (1 - (pixel - centre).abs() / reach).clamp_min(0)
    if len(taps) > 2:  # the weights of two neighbours add up to 1
        weight = weight / weight.sum(2, keepdim=True)
    if outside == "zeros":
        weight = weight * ((pixel >= 0) & (pixel < length))
    elif outside == "reflection":
        pixel = (length - 0.5) - (length - (pixel + 0.5).abs()).abs()
    return Taps(pixel.clamp(0, length - 1).long(), weight)


def each(taps: Taps, channels: int, length: int, many: int) -> Taps:
    """For `summed`: the sums of every channel alone, `[B, C, M, taps]`; see `_first`."""
    index = taps.rows[:, None] + _first(taps.rows, channels, length, many)[:, :, None, None]
    return Taps(index, taps.weight[:, None].expand_as(index).contiguous())


def mixed(taps: Taps, matrix: Tensor, length: int, many: int) -> Taps:
    """For `summed`: the sums of channels that `matrix [B, C, C]` mixes, `[B, C, M, C taps]`; see `_first`.

    One sum for both: to mix the channels of rows that are read anyway costs less than to read them again.
    """
    C = matrix.shape[1]
    index = taps.rows[:, :, None] + _first(taps.rows, C, length, many)[:, None, :, None]
    weight = taps.weight[:, None, :, None] * matrix[:, :, None, :, None]
    return Taps(index.flatten(2)[:, None].expand(-1, C, -1, -1).contiguous(), weight.flatten(3))


def _first(like: Tensor, channels: int, length: int, many: int) -> Tensor:
    """The first of the `length` rows of each channel, of groups of `many` images that are summed together: `[B, C]`."""
    image = torch.arange(len(like), device=like.device) % many
    return (image[:, None] * channels + torch.arange(channels, device=like.device)) * length


def summed(x: Tensor, taps: Taps) -> Tensor:
    """Sums of some of the rows of `x [B, C, N, D]`: `[B, C, M, D]`, `taps` being of `each` or `mixed`."""
    *shape, count = taps.rows.shape
    index, weight = taps.rows.view(-1), taps.weight.to(x.dtype).view(-1)
    starts = torch.arange(0, len(index), count, device=x.device)
    # `nn.functional.embedding_bag` without its checks, which take longer than the sums of a small image
    table = x.reshape(-1, x.shape[-1])
    sums: Tensor = torch.embedding_bag(table, index, starts, False, 0, False, weight, False, None)[0]
    return sums.view(*shape, -1)


@final
class Blur:
    """A Gaussian blur with its own sigma for each image, the borders mirrored."""

    def __init__(self, sigma: Tensor, most: float, height: int, width: int) -> None:
        """`sigma [B]` in pixels, none above `most`; 0 is no blur. Beyond 4 sigma 8 bits see nothing."""
        self._radius = max(1, min(math.ceil(4 * most), height - 1, width - 1))
        reach = (4 * sigma).ceil().clamp_max(self._radius)
        offsets = torch.arange(-self._radius, self._radius + 1, device=sigma.device)
        kernel = torch.exp(-0.5 * (offsets / sigma[:, None].clamp_min(1e-3)) ** 2)
        kernel = kernel * (offsets.abs() <= reach[:, None])
        self._kernel = kernel / kernel.sum(dim=1, keepdim=True)
        self._reach: Sequence[int] = reach.long().tolist()
        self._index: dict[tuple[int, int, int], Tensor] = {}

    def __call__(self, x: Tensor, first: int) -> Tensor:
        """The images from number `first` on, which lie on their sides, `[S, C, W, H]`; `x` may be changed.

        What is blurred is brought to [0, 1] before.
        """
        reaches = self._reach[first : first + len(x)]
        some, reach = [at for at, one in enumerate(reaches) if one], max(reaches)
        if not some:
            return x
        kernel = self._kernel[first : first + len(x), self._radius - reach : self._radius + reach + 1]
        if len(some) == len(x):
            return self._blurred(x.clamp_(0, 1), kernel, reach)
        chosen = torch.tensor(some, device=x.device)
        x[chosen] = self._blurred(x[chosen].clamp_(0, 1), kernel[chosen], reach)
        return x

    def _blurred(self, x: Tensor, kernel: Tensor, reach: int) -> Tensor:
        S, C, W, H = x.shape
        for length in (W, H):
            index = self._mirrored(length, reach, S * C).view(S, C, length, -1)
            weight = kernel[:, None, None].expand_as(index).contiguous()
            x = summed(x, Taps(index, weight)).transpose(2, 3)
        return x

    def _mirrored(self, length: int, reach: int, planes: int) -> Tensor:
        """Which rows of planes that lie below each other their kernels cover: long `[planes, length, 2 reach + 1]`."""
        if (length, reach, planes) not in self._index:
            device = self._kernel.device
            index = torch.arange(length, device=device)[:, None] + torch.arange(-reach, reach + 1, device=device)
            index = length - 1 - (length - 1 - index.abs()).abs()
            first = torch.arange(0, planes * length, length, device=device)
            self._index[length, reach, planes] = index + first[:, None, None]
        return self._index[length, reach, planes]
