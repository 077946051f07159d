"""What is told of series without learning: their values, and what statistics of them say."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from tacit.core import View

POINTS = 256
"""Steps to which series are brought, so that they can be compared value by value."""
_LAGS = (1, 2, 3, 5, 8, 13, 21, 34)
_BANDS = 16
_QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


def of_one_length(view: View, points: int = POINTS) -> Tensor:
    """The series `[B, L, C]` at `points` places from start to end, `[B, points, C]`: lines through what is known.

    Series that are as long already and lack nothing stay as they are. A channel without any value is 0.
    """
    x = view.x.float()
    known = ~x.isnan() if view.valid is None else view.valid[..., None] & ~x.isnan()
    if x.shape[1] == points and bool(known.all()):
        return x
    values, there = x.numpy(), known.numpy()
    steps, found = np.arange(x.shape[1]), np.zeros((len(x), points, x.shape[2]), np.float32)
    for row in range(len(x)):
        own = steps[there[row].any(axis=1)]
        if not len(own):
            continue
        at = np.linspace(own[0], own[-1], points)
        for channel in np.flatnonzero(there[row].any(axis=0)):
            have = there[row, :, channel]
            found[row, :, channel] = np.interp(at, steps[have], values[row, have, channel])
    return torch.from_numpy(found)


def raw_values(view: View) -> Tensor:
    """The values themselves at 256 places, or at all where series are shorter: `[B, min(L, 256) C]`."""
    return of_one_length(view, min(view.x.shape[1], POINTS)).flatten(1)


def spectrum(view: View) -> Tensor:
    """How strong each rhythm is: magnitudes of each channel's real Fourier transform, `[B, (min(L, 256) // 2 + 1) C]`.

    The level is the first of them. Without it, as logarithms or as roots they are a weaker floor (see the log).
    """
    x = of_one_length(view, min(view.x.shape[1], POINTS))
    size: Tensor = torch.fft.rfft(x, dim=1).abs()
    return size.flatten(1)


def statistics(view: View) -> Tensor:
    """What a person would compute of each channel, `[B, (K + 1) C + 1]`, in the spirit of catch22 (Lubba et al. 2019).

    Mean, deviation, quantiles, size and spread of the steps from value to value, autocorrelation at eight lags, power
    in bands of the spectrum that widen, the share of values that are missing, and how long the series is.
    """
    x = of_one_length(view)
    mean, deviation = x.mean(dim=1), x.std(dim=1, correction=0)
    quantiles = x.quantile(torch.tensor(_QUANTILES), dim=1).transpose(0, 1).flatten(1)
    steps = x.diff(dim=1)
    moves = deviation > 1e-5 * x.abs().amax(dim=1)  # what is left of a constant channel is rounding
    centred = (x - mean[:, None]) / deviation.where(moves, torch.inf)[:, None]
    alike = [(centred[:, lag:] * centred[:, :-lag]).mean(dim=1) for lag in _LAGS]
    power = torch.fft.rfft(centred, dim=1).abs().square()[:, 1:]
    edges = np.unique(np.geomspace(1, power.shape[1] + 1, _BANDS + 1).astype(int)) - 1
    bands = [power[:, low:high].mean(dim=1).add(1e-3).log() for low, high in pairwise(edges)]
    valid = torch.ones(x.shape[:2], dtype=torch.bool) if view.valid is None else view.valid
    count = valid.sum(dim=1, keepdim=True)
    missing = (view.x.isnan() & valid[..., None]).sum(dim=1) / count.clamp_min(1)
    told = [
        mean,
        deviation,
        quantiles,
        steps.abs().mean(dim=1),
        steps.std(dim=1, correction=0),
        *alike,
        *bands,
        missing,
    ]
    return torch.cat([*told, count.float().log1p()], dim=1)
