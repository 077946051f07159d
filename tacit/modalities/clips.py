"""Recordings of any length as clips: the rows of a recording that is longer than what a row holds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tacit.core import Raw
from tacit.modalities.packing import AudioLayout, features, framed, mono, padded
from tacit.modalities.pieces import even
from tacit.modalities.sound import Wave, waves


def clips(raw: Raw, layout: AudioLayout) -> Iterator[tuple[np.ndarray, str]]:
    """All of a recording in the fewest clips of like length that a row can hold, each packed as a file of its own.

    Where a clip lies is said in seconds, `t=10,20` (Media Fragments, W3C 2012), of features in frames. Raises
    `Unreadable` before the first one.
    """
    if layout.front == "features":
        found = features(raw, layout)
        for begin, end in even(len(found), layout.length):
            yield padded(found[begin:end], layout), f"frames={begin},{end}" if len(found) > layout.length else ""
        return
    frames = layout.length if layout.front == "wave" else max(1, layout.length - 1)
    most = frames * layout.hop  # of T samples there are 1 + T // hop frames of spectra
    parts = (
        _parts(mono(raw), most, layout.rate)
        if isinstance(raw, np.ndarray)
        else waves(raw, layout.rate, most / layout.rate)
    )
    for samples, span in parts:
        yield framed(samples, layout), f"t={_seconds(span[0])},{_seconds(span[1])}" if span else ""


def _parts(samples: Wave, most: int, rate: int) -> Iterator[tuple[Wave, tuple[float, float] | None]]:
    """The same as `waves` of a recording in memory."""
    for begin, end in even(len(samples), most):
        yield samples[begin:end], (begin / rate, end / rate) if len(samples) > most else None


def _seconds(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
