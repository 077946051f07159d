"""Dynamic time warping: how far series are from each other, where time may run faster and slower."""

from __future__ import annotations

import torch
from torch import Tensor

from tacit import interrupt


def dtw(first: Tensor, second: Tensor, band: int) -> Tensor:
    """The least sum of squared differences along a path of steps that go on in one series or in both: `[P]`.

    `first`, `second [P, L, C]`: pairs of series; a path keeps within `band` steps of the diagonal (Sakoe and Chiba
    1978). Channels are warped together. Computed along the antidiagonals i + j = d, all pairs at once.
    """
    assert band > 0, "without a band there is nothing to warp"
    one, other = first.permute(1, 2, 0).contiguous(), second.flip(1).permute(1, 2, 0).contiguous()  # [L, C, P]
    length = len(one)
    before, last, now = (one.new_full((length + 2, one.shape[2]), torch.inf) for _ in range(3))
    for d in range(2 * length - 1):
        if d % 64 == 0:
            interrupt.check()
        low = max(0, d - length + 1, -((band - d) // 2))
        high = min(length - 1, d, (d + band) // 2)
        back = length - 1 - d  # other[back + i] stands beside one[i]
        cost = (one[low : high + 1] - other[back + low : back + high + 1]).square().sum(dim=1)
        if d:  # place i + 1 holds what leads to row i
            least = torch.minimum(last[low : high + 1], last[low + 1 : high + 2])
            cost += torch.minimum(least, before[low : high + 1])
        now[low], now[high + 2] = torch.inf, torch.inf
        now[low + 1 : high + 2] = cost
        before, last, now = last, now, before
    return last[length]


def cells(length: int, band: int) -> int:
    """How many differences `dtw` computes for a pair of this length."""
    return length * (2 * band + 1) - band * (band + 1)
