"""Mean 0 and variance 1: of each channel of what an encoder learns on, by its first layer; of features over a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tacit.ranks import gathered

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Means and standard deviations of red, green and blue in [0, 1], by which most published weights were trained."""
_TINY = 1e-6
"""Added to the variance of a feature over a batch."""


class Standardise(nn.Module):
    """(x - mean) / std by channel, with the statistics of the sample it was built on; they travel with the weights.

    Values that are missing (NaN) count for nothing there, and stay missing.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, sample: Tensor) -> None:
        """`sample [B, C, ...]`: some plain views."""
        super().__init__()
        dims = [0, *range(2, sample.dim())]
        x = sample.float()
        known = ~x.isnan()
        if bool(known.all()):
            mean, std = x.mean(dims, keepdim=True), x.std(dims, keepdim=True, unbiased=False)
        else:
            mean = x.nanmean(dims, keepdim=True).nan_to_num()  # of a channel without any value: 0
            std = (x - mean).square().nanmean(dims, keepdim=True).nan_to_num().sqrt()
        self.register_buffer("mean", mean[0])
        # a constant channel has no scale of its own: leave it as it is; what is small throughout is not constant
        peak = x.where(known, 0).abs().amax(dims, keepdim=True)[0].clamp(max=1)
        self.register_buffer("std", std[0].where(std[0] > 1e-3 * peak, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        """The standardised `x [B, C, ...]`."""
        return (x - self.mean) / self.std

    def as_published(self, means: Sequence[float], stds: Sequence[float]) -> dict[str, Tensor]:
        """The buffers that make it standardise as weights expect that were trained on red, green and blue.

        One channel gets the colours' average; more than three repeat them.
        """
        channels = len(self.mean)
        state = {}
        for name, own, values in (("mean", self.mean, means), ("std", self.std, stds)):
            colours = torch.tensor(values)
            wanted = colours.mean()[None] if channels == 1 else colours.repeat(-(-channels // 3))[:channels]
            state[name] = wanted.view_as(own)
        return state


@torch.no_grad()
def over_batch(told: Tensor, batch: Tensor | None = None) -> Tensor:
    """What a teacher says, `[..., D]`, with what all of a batch have in common taken off: each feature with mean 0 and
    variance 1 over `batch [N, D]` of all processes, which is what it says itself where none is given. Its running
    statistics are those of its past, in which all samples may lie on one side."""
    whole, _ = gathered(told.flatten(0, -2) if batch is None else batch)
    return (told - whole.mean(dim=0)) / (whole.var(dim=0, correction=0) + _TINY).sqrt()
