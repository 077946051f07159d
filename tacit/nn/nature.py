"""Encoders of what an agent observes: frames by a few convolutions, vectors by two layers."""

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

SMALLEST = 36
"""Side of the frames of which the last convolution leaves one place."""


class Nature(Encoder):
    """The network of Mnih et al. 2015 (Human-level control through deep reinforcement learning, Nature 518): three
    convolutions of 8, 4 and 3 pixels with strides 4, 2 and 1, and a layer of 512, all rectified."""

    class Config(Named):
        name: Literal["nature"] = "nature"
        out: int = Field(default=512, ge=1, le=8192, description="features of a moment")
        width: int = Field(default=32, ge=4, le=512, description="channels of the first convolution; later ones twice")

    def __init__(self, config: Config, sample: View) -> None:
        super().__init__()
        if sample.x.dim() != 4:
            raise UsageError(
                "encoder nature reads frames, and these observations are vectors: --encoder mlp reads them"
            )
        channels, height, width = sample.x.shape[1:]
        if min(height, width) < SMALLEST:
            raise UsageError(
                f"encoder nature reads frames of {SMALLEST} pixels at least, and these are {width} x {height}: "
                "--encoder convnet reads small ones, or --set modality.size=84 makes them larger"
            )
        self.dim, w = config.out, config.width
        self.standardise = Standardise(sample.x)
        self.body = nn.Sequential(
            nn.Sequential(nn.Conv2d(channels, w, 8, 4), nn.ReLU()),
            nn.Sequential(nn.Conv2d(w, 2 * w, 4, 2), nn.ReLU()),
            nn.Sequential(nn.Conv2d(2 * w, 2 * w, 3, 1), nn.ReLU()),
        )
        with torch.no_grad():
            places = self.body(torch.zeros(1, channels, height, width)).flatten(1).shape[1]
        self.head = nn.Sequential(nn.Linear(places, config.out), nn.ReLU())

    def stages(self) -> Sequence[Sequence[str]]:
        """Four: the convolutions and the layer behind them."""
        starts = [("standardise.", "body.0."), ("body.1.",), ("body.2.",), ("head.",)]
        return [[name for name in self.state_dict() if name.startswith(start)] for start in starts]

    def forward(self, view: View) -> Features:
        """Pooled `[B, out]`, tokens `[B, h w, 2 width]`: the last convolution's places; maps of all three."""
        x, maps = self.standardise(view.x), {}
        height = x.shape[2]
        for layer in self.body:
            x = layer(x)
            maps[round(height / x.shape[2])] = x
        return Features(self.head(x.flatten(1)), x.flatten(2).transpose(1, 2), maps=maps)


class Perceptron(Encoder):
    """Two rectified layers on a vector of numbers."""

    class Config(Named):
        name: Literal["mlp"] = "mlp"
        hidden: int = Field(default=256, ge=1, le=8192, description="width of the first layer")
        out: int = Field(default=128, ge=1, le=8192, description="features of a moment")

    def __init__(self, config: Config, sample: View) -> None:
        super().__init__()
        if sample.x.dim() != 2 or not sample.x.is_floating_point():
            raise UsageError(
                "encoder mlp reads vectors, and these observations are frames: --encoder nature reads them"
            )
        self.dim = config.out
        self.standardise = Standardise(sample.x)
        self.body = nn.Sequential(
            nn.Linear(sample.x.shape[1], config.hidden), nn.ReLU(), nn.Linear(config.hidden, config.out), nn.ReLU()
        )

    def stages(self) -> Sequence[Sequence[str]]:
        """Two: the layers."""
        starts = [("standardise.", "body.0."), ("body.2.",)]
        return [[name for name in self.state_dict() if name.startswith(start)] for start in starts]

    def forward(self, view: View) -> Features:
        """Pooled `[B, out]`; a vector has no places."""
        return Features(self.body(self.standardise(view.x)))
