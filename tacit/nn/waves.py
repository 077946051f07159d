"""The stem of wav2vec 2.0: seven convolutions make of each 20 ms of a wave one token."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tacit.core import Tokens, View
from tacit.errors import UsageError
from tacit.nn.stems import Stem

Norms = Literal["group", "layer"]
FRAMES = (160, 320, 640, 1280)
"""Samples of a frame that strides of 5 and 2 divide: 20 ms at 8, 16, 32 and 64 kHz."""
AT_ONCE = 2**20
"""Samples that the convolutions see at a time where nothing is learnt: at 512 channels about 2 GB."""
QUIET = 1e-7
"""Added to a recording's variance: what is fainter than 70 dB below full scale stays faint."""


class Waves(Stem):
    """Convolutions without padding over a wave, one token a frame (Baevski et al. 2020, arXiv 2006.11477, section 2).

    Kernels 10, 3, 3, 3, 3, 2, 2 and strides 5, 2, 2, 2, 2, 2, 2 at 16 kHz; for another rate there are more or fewer of
    those of width 3, so that a token is 20 ms and hears 25 ms, its own frame in the middle. Each recording is brought
    to mean 0 and variance 1; silence lies before and behind it, and nothing of what stands in padding is heard.
    """

    def __init__(self, sample: View, width: int, patch: int | None, channels: int, norms: Norms) -> None:
        """`norms`: `group`, over time, each channel alone, after the first convolution (their base model); `layer`,
        over the channels after each (their large one). Raises `UsageError` for frames that strides do not divide.
        """
        super().__init__()
        size = sample.x.shape[2]
        if size not in FRAMES:
            raise UsageError(
                f"waves of {sample.rate:,} samples a second: the convolutions take 8000, 16000, 32000 or 64000, so "
                "--set modality.rate=16000"
            )
        if patch is not None:
            raise UsageError("encoder.patch is for spectra and pictures; a token of a wave is 20 ms: leave it out")
        halves = round(math.log2(size // 5))
        shapes = [(10, 5), *[(3, 2)] * (halves - 2), *[(2, 2)] * 2]
        self.heard = 1
        """Samples that a token is made of."""
        for kernel, stride in reversed(shapes):
            self.heard = (self.heard - 1) * stride + kernel
        self.body = nn.ModuleList(
            _Convolution(channels if at else 1, channels, kernel, stride, norms if norms == "layer" or not at else None)
            for at, (kernel, stride) in enumerate(shapes)
        )
        self.norm = nn.LayerNorm(channels)
        self.project = nn.Linear(channels, width)

    def forward(self, view: View) -> Tokens:
        """A token a frame of `view.x [B, L, P]`, valid ones first; it holds its frame's samples, standardised."""
        valid = view.x.new_ones(view.x.shape[:2], dtype=torch.bool) if view.valid is None else view.valid
        wave, size = standardised(view.x.float(), valid), view.x.shape[2]
        beyond = self.heard - size
        x = F.pad(wave.flatten(1), (beyond // 2, beyond - beyond // 2))[:, None]
        real = valid.sum(dim=1) * size + beyond
        # nothing is kept for a backward pass, so that memory need not grow with the batch
        pieces = 1 if torch.is_grad_enabled() else min(len(x), -(-x.numel() // AT_ONCE))
        x = torch.cat([self._tokens(*some) for some in zip(x.chunk(pieces), real.chunk(pieces), strict=True)])
        place = torch.arange(valid.shape[1], device=x.device).expand(valid.shape) if view.where is None else view.where
        return Tokens(x, wave.masked_fill(~valid[..., None], torch.nan), place[..., None].float(), valid)

    def _tokens(self, x: Tensor, real: Tensor) -> Tensor:
        """Waves `[B, 1, T]`, of which the first `real [B]` samples count -> tokens `[B, L, D]`."""
        for layer in self.body:
            x, real = layer(x, real)
        tokens: Tensor = self.project(self.norm(x.transpose(1, 2)))
        return tokens


def standardised(x: Tensor, valid: Tensor) -> Tensor:
    """Waves `[B, L, P]` with mean 0 and variance 1 over the samples of their valid frames; 0 in all others."""
    inside = valid[..., None]
    count = (valid.sum(dim=1) * x.shape[2]).clamp_min(1)[:, None, None]
    x = torch.where(inside, x, 0.0)
    x = torch.where(inside, x - x.sum((1, 2), keepdim=True) / count, 0.0)
    return x * (x.square().sum((1, 2), keepdim=True) / count + QUIET).rsqrt()


class _Convolution(nn.Module):
    """A convolution over time, a norm, GELU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, norm: Norms | None) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        # without a bias what hears silence alone is 0, which the norm over time relies on
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride, bias=norm == "layer")
        nn.init.kaiming_normal_(self.conv.weight)
        self.norm: nn.Module | None = None
        if norm is not None:
            self.norm = _OverTime(outputs) if norm == "group" else nn.LayerNorm(outputs)

    def forward(self, x: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """`[B, C, T]`, of which the first `real [B]` places count -> `[B, C', T']`, and how many count of these."""
        x, real = self.conv(x), (real - self.kernel) // self.stride + 1
        if isinstance(self.norm, _OverTime):
            x = self.norm(x, real)
        elif self.norm is not None:
            x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return F.gelu(x), real


class _OverTime(nn.Module):
    """Mean 0 and variance 1 of each channel of each recording over time: group norm with a group a channel.

    Places that do not count must hold 0.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """`[B, C, T]` -> `[B, C, T]`; beyond the first `real [B]` places there are no numbers to be read."""
        count = real.clamp_min(1)[:, None]
        mean = x.sum(dim=2, dtype=torch.float) / count
        # what is summed is a recording of mean 0, so that the difference of two large numbers does not arise
        variance = (x.float().square().sum(dim=2) / count - mean.square()).clamp_min(0)
        scale = self.weight * (variance + 1e-5).rsqrt()
        shift = self.bias - mean * scale
        return torch.addcmul(shift[..., None].to(x.dtype), x, scale[..., None].to(x.dtype))
