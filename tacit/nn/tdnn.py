"""A time-delay network: convolutions over the frames of a sequence, computed on the real frames alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Encoder, Features, View
from tacit.errors import UsageError
from tacit.nn.standardise import Standardise


class Delay(nn.Module):
    """Linear in a frame and its `reach` neighbours on each side, BatchNorm, ReLU.

    Frames of all samples lie one behind the other, `[N, C]`; beyond the ends of a sample there is 0.
    """

    def __init__(self, inputs: int, outputs: int, reach: int, stride: int) -> None:
        super().__init__()
        self.reach, self.stride = reach, stride
        self.linear = nn.Linear((2 * reach + 1) * inputs, outputs, bias=False)
        self.norm = nn.BatchNorm1d(outputs)

    def forward(self, rows: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """The real frames `[N, C]` of `valid [B, L]` -> those of `valid [B, ceil(L / stride)]`, and that.

        One is real where any of its `stride` frames is.
        """
        numbers = (valid.flatten().cumsum(0) - 1).view(valid.shape).where(valid, len(rows))  # the last row is nothing
        numbers = F.pad(numbers, (self.reach, self.reach), value=len(rows))
        padded = torch.cat([rows, rows.new_zeros(1, rows.shape[1])])
        kept = F.pad(valid, (0, -valid.shape[1] % self.stride)).view(len(valid), -1, self.stride).any(dim=2)
        near = [
            padded[numbers[:, step : step + valid.shape[1] : self.stride][kept]] for step in range(2 * self.reach + 1)
        ]
        out: Tensor = F.relu(self.norm(self.linear(torch.cat(near, dim=1))))
        return out, kept


class TDNN(Encoder):
    """Convolutions over time on frames `[B, L, P]` (Waibel et al. 1989), all bands of a frame together.

    Pooled are mean and maximum over time (Niizumi et al. 2021, BYOL-A). Frames of padding are not computed at all: a
    set of short and long recordings costs what its sound lasts.
    """

    class Config(Named):
        name: Literal["tdnn"] = "tdnn"
        width: int = Field(default=192, ge=1, le=4096, description="features of a frame")
        layers: int = Field(default=3, ge=1, le=16, description="the first reads 5 frames and keeps every other one")

    def __init__(self, config: Config, sample: View) -> None:
        super().__init__()
        if sample.x.dim() != 3 or not sample.x.is_floating_point():
            raise UsageError("encoder tdnn reads frames over time, and these samples are none: choose another encoder")
        if sample.rate is not None:
            raise UsageError("encoder tdnn reads spectra, and these are waves: --encoder transformer reads them")
        bands, wide = sample.x.shape[2], config.width
        self.dim = 2 * wide
        self.standardise = Standardise(sample.x[real(sample)])
        self.body = nn.ModuleList(
            Delay(wide if at else bands, wide, 1 if at else 2, 1 if at else 2) for at in range(config.layers)
        )

    def stages(self) -> Sequence[Sequence[str]]:
        """One a layer."""
        names = list(self.state_dict())
        starts = [(f"body.{at}.",) if at else ("standardise.", "body.0.") for at in range(len(self.body))]
        return [[name for name in names if name.startswith(start)] for start in starts]

    def forward(self, view: View) -> Features:
        """Pooled `[B, 2 width]`, tokens `[B, ceil(L / 2), width]`, one for every other frame, with `valid`."""
        valid = real(view)
        rows = self.standardise(view.x[valid])
        for layer in self.body:
            rows, valid = layer(rows, valid)
        places = valid.flatten().nonzero().flatten()
        tokens = rows.new_zeros(valid.numel(), rows.shape[1]).index_copy(0, places, rows).view(*valid.shape, -1)
        return Features(torch.cat(over_time(tokens, valid), dim=1), tokens, valid)


def real(view: View) -> Tensor:
    """`view.valid`, or all frames: boolean `[B, L]`."""
    return view.valid if view.valid is not None else view.x.new_ones(view.x.shape[:2], dtype=torch.bool)


def over_time(tokens: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and maximum of the real ones of `tokens [B, L, D]`, `[B, D]` each; 0 where none is real."""
    inside = valid[..., None]
    mean = torch.where(inside, tokens, 0).sum(dim=1) / valid.sum(dim=1, keepdim=True).clamp_min(1)
    peak = tokens.masked_fill(~inside, -torch.inf).amax(dim=1)
    return mean, torch.where(valid.any(dim=1, keepdim=True), peak, 0)
