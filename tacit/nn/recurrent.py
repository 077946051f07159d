"""A recurrent network that reads in both directions, and in which padding enters nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Bidirectional(nn.Module):
    """LSTM (Hochreiter and Schmidhuber 1997) forth and back: `[B, L, D]` -> `[B, L, 2 H]`, 0 behind the ends.

    Equal to `nn.LSTM(bidirectional=True)` on a packed sequence. That one steps through time in Python's stead, operator
    by operator; two networks on padded rows, one of which is given each row turned round, are single calls, and train
    four times as fast on a CPU (8 rows of 150 steps, 128 wide, one thread: .06 instead of .26 s).
    """

    def __init__(self, inputs: int, width: int, layers: int) -> None:
        super().__init__()
        widths = [inputs] + [2 * width] * (layers - 1)
        self.forth = nn.ModuleList(nn.LSTM(each, width, batch_first=True) for each in widths)
        self.back = nn.ModuleList(nn.LSTM(each, width, batch_first=True) for each in widths)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """`lengths`: long `[B]`, of the rows of `x`, which begin at the left."""
        place = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
        inside = place < lengths[:, None]
        turned = (lengths[:, None] - 1 - place).where(inside, place)
        for forth, back in zip(self.forth, self.back, strict=True):
            ahead, behind = forth(x)[0], _taken(back(_taken(x, turned))[0], turned)
            x = torch.cat([ahead, behind], dim=2).masked_fill(~inside[..., None], 0.0)
        return x


def _taken(x: Tensor, places: Tensor) -> Tensor:
    """`x [B, L, D]` in the order of `places`, long `[B, L]`."""
    return x.gather(1, places[..., None].expand_as(x))
