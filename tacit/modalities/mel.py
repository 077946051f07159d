"""From waves to log-mel spectra, and from those to cepstra: everything that audio is read through."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

QUIET = 1e-9
"""Power that counts as none, -90 dB against a full-scale sine: below the noise of every microphone."""


def log_mel(wave: Tensor, *, rate: int, hop: int, window: int, bands: int, low: float, high: float) -> Tensor:
    """Natural logarithm of the power in mel bands, `[1 + T // hop, bands]`, of a wave `[T]` in [-1, 1].

    Frames are centred on multiples of `hop` and weighted by a Hann window of `window` samples; silence lies before
    and behind the wave. The power of a full-scale sine is 1/4 at its frequency, whatever the window.
    """
    size = fft_size(window)
    padded = F.pad(wave, (size // 2, size // 2))
    hann = torch.hann_window(window, device=wave.device)
    spectrum = torch.stft(padded, size, hop, window, hann / hann.sum(), center=False, return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    return (power.T @ filters(rate, size, bands, low, high).to(power)).add(QUIET).log()


def fft_size(window: int) -> int:
    """Points of the transform: the power of two from twice the window on, so that low bands have bins of their own."""
    return 1 << (2 * window - 1).bit_length()


@lru_cache(maxsize=16)
def filters(rate: int, size: int, bands: int, low: float, high: float) -> Tensor:
    """Triangles on the mel scale of O'Shaughnessy (1987), peak 1: `[size / 2 + 1, bands]`."""
    mels = torch.linspace(_mel(low), _mel(high), bands + 2, dtype=torch.float64)
    edges = 700 * ((mels / 1127).exp() - 1)
    hertz = torch.linspace(0, rate / 2, size // 2 + 1, dtype=torch.float64)[:, None]
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp_min(0).float()


def _mel(hertz: float) -> float:
    return 1127 * math.log(1 + hertz / 700)


def cepstra(spectra: Tensor, count: int) -> Tensor:
    """MFCC `[..., count]` of log-mel spectra `[..., P]`: the orthonormal DCT-II (Davis and Mermelstein 1980)."""
    bands = spectra.shape[-1]
    place = torch.arange(bands, dtype=torch.float64) + 0.5
    waves = torch.cos(math.pi / bands * place[:, None] * torch.arange(min(count, bands), dtype=torch.float64))
    waves *= math.sqrt(2 / bands)
    waves[:, 0] /= math.sqrt(2)
    return spectra @ waves.to(spectra)


def deltas(frames: Tensor, valid: Tensor, reach: int = 2) -> Tensor:
    """How fast frames `[B, L, P]` change: the slope of a line through `2 reach + 1` of them (Furui 1986), per frame.

    The first and the last valid frame (`valid [B, L]`, valid ones first) stand for those outside.
    """
    last = (valid.sum(dim=1) - 1).clamp_min(0)[:, None]
    place = torch.arange(frames.shape[1], device=frames.device)
    slope = torch.zeros_like(frames)
    for step in range(1, reach + 1):
        ahead, behind = (torch.minimum((place + way).clamp_min(0), last) for way in (step, -step))
        slope += step * (_taken(frames, ahead) - _taken(frames, behind))
    return slope / (2 * sum(step * step for step in range(1, reach + 1)))


def _taken(frames: Tensor, place: Tensor) -> Tensor:
    return frames.gather(1, place[..., None].expand(-1, -1, frames.shape[2]))
