"""Recordings to waves: one channel at one rate, no more of it than is kept, whatever the file says of itself."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tacit.errors import Unreadable
from tacit.modalities.pieces import even

if TYPE_CHECKING:
    from soundfile import SoundFile

Wave = npt.NDArray[np.float32]

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff"})
CHANNELS = 64
"""A file with more of them is none that a microphone made."""
RATES = (1_000, 400_000)
"""Samples a second, from telemetry to bats."""
_FORMATS = frozenset({"WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3", "AIFF"})
NOT_FINITE = "its samples hold NaN or infinity"
_BLOCK = 2**16
"""Samples of all channels that are decoded at once: what a file can make us allocate."""


def wave(raw: bytes, rate: int, seconds: float) -> Wave:
    """The first `seconds` of a recording, all channels averaged, at `rate` samples a second: float32 `[T]` in [-1, 1].

    Memory grows with `seconds`, not with what a file unpacks to. A file that ends too early is read as far as it
    goes. Raises `Unreadable`.
    """
    with opened(raw) as file:
        own = int(file.samplerate)
        mono = np.concatenate([*_blocks(file, int(np.ceil(seconds * own)) + 1), np.empty(0, np.float32)])
    if not len(mono):
        raise Unreadable("it holds no samples")
    if not np.isfinite(mono).all():
        raise Unreadable(NOT_FINITE)
    return resampled(mono, own, rate)


def waves(raw: bytes, rate: int, seconds: float) -> Iterator[tuple[Wave, tuple[float, float] | None]]:
    """All of a recording in parts of like length, each of at most `seconds`: as by `wave`, and where it lies.

    That is its begin and end in seconds, None where there is one part. One is in memory at a time. Parts that hold
    NaN are left out, and a file that is damaged further on is read up to there. Raises `Unreadable` before the first
    part.
    """
    why = "it holds no samples"
    begun = False
    try:
        with opened(raw) as file:
            own = int(file.samplerate)
            most = max(1, int(seconds * own))
            for begin, end in even(file.frames, most):
                mono = np.concatenate([*_blocks(file, end - begin), np.empty(0, np.float32)])
                if len(mono) and np.isfinite(mono).all():
                    begun = True
                    span = (begin / own, (begin + len(mono)) / own)
                    yield resampled(mono, own, rate), span if file.frames > most else None
                why = NOT_FINITE if len(mono) else why
                if len(mono) < end - begin:
                    break
    except Unreadable as error:
        why = str(error)
    if not begun:
        raise Unreadable(why)


def resampled(x: Wave, own: int, rate: int) -> Wave:
    """`x [T]` of `own` samples a second at `rate` samples a second, `[T rate / own]`, at least one."""
    if own == rate:
        return x
    import soxr

    found: Wave = soxr.resample(x, own, rate)
    return found if len(found) else x[:1]


def _blocks(file: SoundFile, wanted: int) -> Iterator[Wave]:
    """The first `wanted` samples, mono, block by block."""
    at_once = max(1, _BLOCK // file.channels)
    while wanted > 0:
        block = file.read(min(at_once, wanted), dtype="float32", always_2d=True)
        if not len(block):
            return
        yield block.mean(axis=1, dtype=np.float32)
        wanted -= len(block)


@contextmanager
def opened(raw: bytes) -> Iterator[SoundFile]:
    """The recording in the bytes of a file, its head read. Raises `Unreadable`, inside the block, too."""
    import soundfile

    if not raw:
        raise Unreadable("an empty file")
    try:
        with soundfile.SoundFile(io.BytesIO(raw)) as file:
            if file.format not in _FORMATS:
                raise Unreadable(f"a {file.format} file, which is not read: convert it to WAV or FLAC")
            if not 1 <= file.channels <= CHANNELS:
                raise Unreadable(f"{file.channels} channels, more than the limit of {CHANNELS}")
            if not RATES[0] <= file.samplerate <= RATES[1]:
                raise Unreadable(f"{file.samplerate} samples a second; from {RATES[0]:,} to {RATES[1]:,} are read")
            yield file
    except soundfile.SoundFileError as error:
        raise Unreadable(f"no recording that can be read: {_reason(error)}") from None
    except MemoryError:
        raise Unreadable("too large for the memory") from None


def _reason(error: Exception) -> str:
    """The library's reason, without the address of the object in memory."""
    return str(error).rpartition(">: ")[2].strip().rstrip(".").lower() or type(error).__name__
