"""Strided convolutions over time with BatchNorm, for series in which values may be missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Features, TokenEncoder, Tokens, View
from tacit.errors import UsageError
from tacit.nn.standardise import Standardise
from tacit.nn.stems import in_patches
from tacit.nn.tdnn import Delay, over_time, real

REACH = (4, 2, 2, 1)
"""Steps to each side that the layers read."""
LEFT = 16
"""Tokens of the longest series that are left at least: a layer keeps every other step as long as that holds."""


class FCN(TokenEncoder):
    """The fully convolutional network of Wang et al. 2017 (arXiv 1611.06455), its first three layers strided.

    Convolutions, BatchNorm, ReLU; pooled are mean and maximum over time. A value that is missing is 0 behind the
    standardisation, and a second number beside each says whether it is there. Steps without any value are not computed.

    As layers see neighbours before they pass over steps, a token is what it is made of: the values themselves. One that
    is hidden is hidden from all layers.
    """

    causal = False

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
        self.dim, self.out = 2 * widths[-1], widths[-1]
        self.standardise = Standardise(sample.x[real(sample)])
        strides = [2 if at < 3 and length >= LEFT * 2 ** (at + 1) else 1 for at in range(len(REACH))]
        self.patch = math.prod(strides)
        self.width = self.patch * widths[0]
        self.body = nn.ModuleList(
            Delay(widths[at], widths[at + 1], reach, strides[at]) for at, reach in enumerate(REACH)
        )

    def stages(self) -> Sequence[Sequence[str]]:
        """One a layer."""
        names = list(self.state_dict())
        starts = [(f"body.{at}.",) if at else ("standardise.", "body.0.") for at in range(len(self.body))]
        return [[name for name in names if name.startswith(start)] for start in starts]

    @property
    def table(self) -> None:
        return None

    def cut(self, view: View) -> Tokens:
        """`patch` steps a token: their values, 0 where missing, and which of them are known."""
        some = real(view) & ~view.x.isnan().all(dim=2)
        values, valid, place = in_patches(replace(view, valid=some), self.standardise, self.patch)
        both = torch.cat([values.nan_to_num(), (~values.isnan()).float()], dim=3)
        return Tokens(both.flatten(2), values.flatten(2), place, valid)

    def layers(self, tokens: Tokens) -> Sequence[Tensor]:
        """The last layer alone: those before have more tokens."""
        B, L, _ = tokens.x.shape
        valid = (~tokens.target.isnan()).view(B, L * self.patch, -1).any(dim=2)
        rows = tokens.x.reshape(B, L * self.patch, -1)[valid]
        for layer in self.body:
            rows, valid = layer(rows, valid)
        places = valid.flatten().nonzero().flatten()
        return [rows.new_zeros(valid.numel(), self.out).index_copy(0, places, rows).view(B, L, -1)]

    def pool(self, tokens: Tokens, states: Tensor) -> Tensor:
        """Mean and maximum over time."""
        return torch.cat(over_time(states, tokens.valid), dim=1)

    def forward(self, view: View) -> Features:
        """Pooled `[B, 8 width]`, tokens `[B, L', 4 width]`, one for every 1 to 8 steps, with `valid`."""
        tokens = self.cut(view)
        states = self.layers(tokens)[-1]
        return Features(self.pool(tokens, states), states, tokens.valid)
