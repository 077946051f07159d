"""The first layer of an encoder: what it learns on has mean 0 and variance 1 in each channel."""

from __future__ import annotations

from torch import Tensor, nn


class Standardise(nn.Module):
    """(x - mean) / std by channel, with the statistics of the sample it was built on; they travel with the weights."""

    mean: Tensor
    std: Tensor

    def __init__(self, sample: Tensor) -> None:
        """`sample [B, C, ...]`: some plain views."""
        super().__init__()
        dims = [0, *range(2, sample.dim())]
        self.register_buffer("mean", sample.float().mean(dims, keepdim=True)[0])
        # a constant channel has no scale of its own: leave it as it is
        std = sample.float().std(dims, keepdim=True, unbiased=False)[0]
        self.register_buffer("std", std.where(std > 1e-3, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        """The standardised `x [B, C, ...]`."""
        return (x - self.mean) / self.std
