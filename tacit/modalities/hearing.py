"""What is to be known of recordings before training, what follows from it, and how they look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.core import Raw, View
from tacit.errors import Unreadable
from tacit.modalities.frames import checked, frames
from tacit.modalities.packing import CEPSTRA, AudioLayout, mono
from tacit.modalities.sound import Wave, opened, wave

Fact = str | float
HEARD = 10.0
"""Seconds of a recording by which its loudness is told."""
_SILENT = -80.0
"""Decibels against full scale below which there is nothing to hear."""
_CLIPPED = 0.999
_SHORT = 0.1
_MANY = 0.01
"""Share of a set from which on an oddity is worth a sentence."""
_INK, _GROUND = (60, 25, 95), (232, 228, 236)
_LARGEST = 256
"""Frames of a picture: longer recordings are narrowed."""


def facts(raw: Raw) -> Mapping[str, Fact]:
    """Format, samples a second, channels, seconds and loudness of a recording; of features, their shape.

    Raises `Unreadable`.
    """
    if isinstance(raw, np.ndarray):
        kind = f"array, {raw.dtype}"
        return _shape(kind, checked(raw)) if raw.ndim == 2 else {"format": kind, **_loudness(mono(raw))}
    try:
        with opened(raw) as file:
            kind, rate, channels = f"{file.format}, {file.subtype}", int(file.samplerate), int(file.channels)
            seconds = file.frames / rate
    except Unreadable:
        return _shape("features", frames(raw, CEPSTRA))  # no sound, so it has to be those
    known: dict[str, Fact] = {"format": kind, "rate, Hz": str(rate), "channels": str(channels)}
    return known | {"seconds": seconds, **_loudness(wave(raw, rate, HEARD))}


def _shape(kind: str, found: np.ndarray) -> Mapping[str, Fact]:
    return {"format": kind, "numbers": str(found.shape[1]), "frames": float(len(found))}


def _loudness(samples: Wave) -> Mapping[str, Fact]:
    """Mean power and largest value in decibels against full scale."""
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    peak = float(np.abs(samples).max())
    return {"level, dB": 10 * np.log10(max(power, 1e-12)), "peak, dB": 20 * np.log10(max(peak, 1e-6))}


def advice(known: Mapping[str, Sequence[Fact]], layout: AudioLayout, sample: View) -> Sequence[str]:
    """What to do about the recordings of a set, by their facts."""
    if "seconds" not in known:
        return []
    seconds = np.array(known["seconds"], np.float64)
    return [*_lengths(seconds, layout), *_levels(known, len(seconds)), *_rates(known["rate, Hz"], layout)]


def _lengths(seconds: np.ndarray, layout: AudioLayout) -> list[str]:
    said = []
    cut = float((seconds > layout.seconds + 0.05).mean())
    if cut > _MANY and not layout.pieces:
        said.append(
            f"{cut:.0%} of the recordings last longer than the {layout.seconds:.1f} s that are kept, the longest "
            f"{seconds.max():,.0f} s: what comes later is never heard. --set modality.pieces=true hears all of it, as "
            "several samples, and --set modality.seconds keeps more in one"
        )
    short = int((seconds < _SHORT).sum())
    if short > _MANY * len(seconds):
        said.append(f"{short:,} recordings are shorter than {_SHORT} s: there is little to hear, so look at some")
    return said


def _levels(known: Mapping[str, Sequence[Fact]], count: int) -> list[str]:
    loud, peak = (np.array(known[name], np.float64) for name in ("level, dB", "peak, dB"))
    silent, clipped = int((loud < _SILENT).sum()), int((peak >= 20 * np.log10(_CLIPPED)).sum())
    said = []
    if silent:
        said.append(f"{silent:,} of {count:,} recordings are silent: they teach nothing and should be left out")
    if clipped > _MANY * count:
        said.append(
            f"{clipped / count:.0%} of the recordings reach full scale and may be clipped: record them with less gain, "
            "or look whether they were made louder afterwards"
        )
    return said


def _rates(given: Sequence[Fact], layout: AudioLayout) -> list[str]:
    counted = Counter(int(rate) for rate in given)
    said = []
    lower = sum(number for rate, number in counted.items() if rate < layout.rate)
    if lower:
        alike = "" if layout.front == "wave" else f". --set modality.rate={min(counted)} makes all alike"
        said.append(
            f"{lower / len(given):.0%} of the recordings have fewer samples a second than the {layout.rate:,} they are "
            f"packed with, and nothing above half of theirs: a network can tell sources by that{alike}"
        )
    usual = counted.most_common(1)[0][0]
    if usual > layout.rate and layout.front == "log-mel":
        said.append(
            f"most recordings have {usual:,} samples a second, and {layout.rate:,} are kept, enough for speech: "
            f"--set modality.rate={usual} keeps what lies above {layout.rate / 2000:g} kHz"
        )
    return said


def picture(view: View) -> np.ndarray:
    """Spectra as pictures, low bands below, waves as the space they take up: uint8 `[B, H, W, 3]`.

    Time runs to the right, and padding has the colour of paper.
    """
    x = view.x.detach().float().cpu()
    valid = torch.ones(x.shape[:2], dtype=torch.bool) if view.valid is None else view.valid.cpu()
    drawn = _spectra(x, valid) if view.rate is None else _waves(x, valid)
    told = F.interpolate(valid.float()[:, None], drawn.shape[2], mode="nearest")[:, 0] > 0
    return np.where(told[:, None, :, None].numpy(), drawn, 251).astype(np.uint8)


def _spectra(x: Tensor, valid: Tensor) -> np.ndarray:
    """Log-mel spectra `[B, L, P]` in colours, `[B, H, W, 3]` up to 255."""
    from matplotlib import colormaps

    real = valid[..., None]
    count = (valid.sum(dim=1) * x.shape[2]).clamp_min(1)[:, None, None]
    mean = torch.where(real, x, 0).sum((1, 2), keepdim=True) / count
    spread = (torch.where(real, x - mean, 0).square().sum((1, 2), keepdim=True) / count).sqrt().clamp_min(1e-3)
    level = (((x - mean) / spread).clamp(-2, 2.5) + 2) / 4.5  # each by its own loudness, as one listens
    width, height = min(_LARGEST, max(32, x.shape[1])), 64
    level = F.interpolate(level.transpose(1, 2)[:, None], (height, width), mode="nearest")[:, 0]
    coloured: np.ndarray = colormaps["magma"](level.flip(1).numpy())[..., :3]
    return (255 * coloured).round()


def _waves(x: Tensor, valid: Tensor) -> np.ndarray:
    """From the lowest to the highest sample in each of up to 256 stretches of time: `[B, H, W, 3]` up to 255."""
    wave = torch.where(valid[..., None], x, 0).flatten(1)
    width, height = min(_LARGEST, max(32, 2 * x.shape[1])), 64  # of 10 ms, as spectra
    loud = wave.abs().amax(dim=1)[:, None, None].clamp_min(1e-6)  # each by its own loudness
    high, low = (F.adaptive_max_pool1d(sign * wave[:, None], width) / loud for sign in (1, -1))
    row = torch.linspace(1, -1, height)[:, None]
    half = 1 / (height - 1)  # of a row: silence is a line
    dark = (row <= high + half) & (row >= -low - half)
    return np.where(dark[..., None].numpy(), _INK, _GROUND)
