"""Strided convolutions over time with BatchNorm, for series in which values may be missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from tacit.config import Named
from tacit.core import Encoder, Features, View
from tacit.errors import UsageError
from tacit.nn.standardise import Standardise
from tacit.nn.tdnn import Delay, over_time, real

REACH = (4, 2, 2, 1)
"""Steps to each side that the layers read."""
LEFT = 16
"""Tokens of the longest series that are left at least: a layer keeps every other step as long as that holds."""


class FCN(Encoder):
    """The fully convolutional network of Wang et al. 2017 (arXiv 1611.06455), its first three layers strided.

    Convolutions, BatchNorm, ReLU; pooled are mean and maximum over time. A value that is missing is 0 behind the
    standardisation, and a second number beside each says whether it is there. Steps without any value are not computed.
    """

    class Config(Named):
        name: Literal["fcn"] = "fcn"
        width: int = Field(
            default=64, ge=1, le=1024, description="features behind the first layer; then twice and four times as many"
        )

    def __init__(self, config: Config, sample: View) -> None:
        super().__init__()
        if sample.x.dim() != 3 or not sample.x.is_floating_point() or sample.rate is not None:
            raise UsageError("encoder fcn reads steps of time, and these samples are none: choose another encoder")
        length, channels = sample.x.shape[1:]
        widths = [2 * channels, config.width, 2 * config.width, 4 * config.width, 4 * config.width]
        self.dim = 2 * widths[-1]
        self.standardise = Standardise(sample.x[real(sample)])
        self.body = nn.ModuleList(
            Delay(widths[at], widths[at + 1], reach, 2 if at < 3 and length >= LEFT * 2 ** (at + 1) else 1)
            for at, reach in enumerate(REACH)
        )

    def stages(self) -> Sequence[Sequence[str]]:
        """One a layer."""
        names = list(self.state_dict())
        starts = [(f"body.{at}.",) if at else ("standardise.", "body.0.") for at in range(len(self.body))]
        return [[name for name in names if name.startswith(start)] for start in starts]

    def forward(self, view: View) -> Features:
        """Pooled `[B, 8 width]`, tokens `[B, L', 4 width]`, one for every 1 to 8 steps, with `valid`."""
        valid = real(view)
        x = view.x[valid].float()
        known = ~x.isnan()
        rows = torch.cat([torch.where(known, self.standardise(x), 0.0), known.float()], dim=1)
        for layer in self.body:
            rows, valid = layer(rows, valid)
        places = valid.flatten().nonzero().flatten()
        tokens = rows.new_zeros(valid.numel(), rows.shape[1]).index_copy(0, places, rows).view(*valid.shape, -1)
        return Features(torch.cat(over_time(tokens, valid), dim=1), tokens, valid)
