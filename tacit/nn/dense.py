"""From an encoder's maps to a value at every place."""

from __future__ import annotations

import math
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from tacit.core import Encoder, Features, View
from tacit.errors import UsageError
from tacit.nn.look import looked_at


def doubling(wide: int, narrow: int) -> tuple[nn.Module, ...]:
    """The layers that make maps `[B, wide, H, W]` twice as large: `[B, narrow, 2 H, 2 W]`."""
    return (
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.Conv2d(wide, narrow, 3, 1, 1, bias=False),
        nn.BatchNorm2d(narrow),
        nn.ReLU(inplace=True),
    )


class Dense(nn.Module):
    """Reads an encoder's deepest map alone, enlarged step by step: what is drawn has to be known there.

    Shallower maps would carry what was seen past the encoder, and leave it nothing to learn.
    """

    def __init__(self, encoder: Encoder, sample: View, channels: int, stride: int, width: int = 128) -> None:
        """`sample`: some views that the encoder reads; `stride`: how many of their cells one cell of the result is.

        Raises `UsageError` for an encoder without maps.
        """
        super().__init__()
        maps = looked_at(encoder, View(sample.x)).maps
        if not maps:
            raise UsageError(f"{type(encoder).__name__} returns no maps that can be drawn from: choose another encoder")
        self.deepest = max(maps)
        self.size = tuple(-(-side // stride) for side in sample.x.shape[2:])
        doublings = max(0, round(math.log2(self.deepest / stride)))
        widths = [max(width >> number, 32) for number in range(doublings + 1)]
        self.body = nn.Sequential(
            nn.Conv2d(maps[self.deepest].shape[1], widths[0], 3, 1, 1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
            *(layer for wide, narrow in pairwise(widths) for layer in doubling(wide, narrow)),
            nn.Conv2d(widths[-1], channels, 1),
        )

    def forward(self, features: Features) -> Tensor:
        """`[B, channels, H / stride, W / stride]`, float32."""
        drawn: Tensor = self.body(features.maps[self.deepest])
        if drawn.shape[2:] != self.size:  # sides that the strides do not divide
            drawn = F.interpolate(drawn, self.size, mode="bilinear", align_corners=False)
        return drawn.float()
