"""Recordings as they are packed: log-mel spectra, waves cut into frames, or the frames of features that files hold."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from tacit.core import Layout, Raw, View
from tacit.errors import DataError, Unreadable
from tacit.modalities.frames import checked, frames
from tacit.modalities.mel import log_mel
from tacit.modalities.sound import Wave, opened, wave

Front = Literal["log-mel", "wave", "features"]
HOP, WINDOW = 0.010, 0.025
"""Seconds from frame to frame, and under a frame's window: the field's habit for speech."""
CUT = 0.020
"""Seconds of a frame of a wave: what wav2vec 2.0 makes one token of (Baevski et al. 2020, arXiv 2006.11477)."""
WAVE_RATES = (8_000, 16_000)
"""Samples a second of waves, the higher one unless most recordings have no more than the lower one."""
BANDS = 64
LOWEST = 60.0
"""Hertz below which there is hum."""
USUAL = 16_000
"""Samples a second that are kept at most, unless more are asked for: speech has little above half of them."""
LONGEST = 10.0
"""Seconds that are kept of a recording at most, unless more are asked for."""
LOST = 0.05
"""Share of all sound that may be cut off before longer recordings are taken to pieces by themselves."""
_UNKNOWN = 2**60
"""Samples from which on a length is none: the decoder gives the largest number it has."""
_MULTIPLE = 8


class AudioLayout(Layout):
    """How the recordings of one set are packed: frames `[length, bands]`, NaN behind the end."""

    front: Front = "log-mel"
    rate: int = Field(default=0, ge=0, description="samples a second; 0 for features")
    hop: int = Field(default=0, ge=0, description="samples from frame to frame")
    window: int = Field(default=0, ge=0, description="samples under a frame's window; 0 where a wave was cut")
    bands: int = Field(ge=1, le=4096)
    length: int = Field(ge=1, le=1_000_000)
    """L, frames of a row."""
    pieces: bool = Field(default=False, description="whether longer recordings become several rows, or are cut")
    fixed: ClassVar[frozenset[str]] = frozenset({"rate"})

    @model_validator(mode="after")
    def _of_one_front(self) -> Self:
        known = {
            "features": self.rate == 0,
            "wave": self.rate > 0 and self.window == 0 and self.bands == self.hop,
            "log-mel": self.window > 0,
        }
        if not known[self.front]:
            raise ValueError(
                "modality.front or modality.bands is another than that of the weights: leave both out to read "
                "recordings as they do"
            )
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """`(L, P)`."""
        return (self.length, self.bands)

    @property
    def dtype(self) -> str:
        """numpy's name of the numbers' type."""
        return "float16"

    @property
    def in_pieces(self) -> bool:
        """Whether longer recordings become several rows."""
        return self.pieces

    @property
    def seconds(self) -> float:
        """What a row holds of a recording; 0 for features, of which nobody says how long a frame is."""
        return self.length * self.hop / self.rate if self.rate else 0.0

    def brief(self) -> dict[str, object]:
        """The layout in short, to be read by people."""
        held = "samples in a frame" if self.front == "wave" else "bands"
        known: dict[str, object] = {"front": self.front, held: self.bands, "frames": self.length}
        known |= {"longer ones": "in pieces"} if self.pieces else {}
        return known | ({"seconds": round(self.seconds, 2), "samples a second": self.rate} if self.rate else {})


def survey(
    raws: Iterable[Raw],
    front: Front,
    rate: int | None,
    bands: int | None,
    seconds: float | None,
    pieces: bool | None = None,
) -> AudioLayout:
    """The layout for `raws`: their commonest rate, to 16,000, and the length that 99 % of them have, to 10 seconds.

    Waves have one of `WAVE_RATES`. Longer ones are taken to `pieces` where this is said, or where more than `LOST` of
    all sound would be cut off. Raises `DataError` where none of them can be read, with the first reasons.
    """
    if front == "features":
        return _surveyed_features(raws, bands, seconds, pieces)
    if front == "wave" and bands is not None:
        raise DataError(f"a wave is cut into frames of {1000 * CUT:.0f} ms and has no bands: leave modality.bands out")
    rates: Counter[int] = Counter()
    lengths, reasons = [], []
    for raw in raws:
        try:
            own, length = measured(raw, rate)
        except Unreadable as error:
            reasons.append(str(error))
            continue
        rates[own] += 1
        lengths.append(length)
    if not lengths:
        raise DataError("no recording can be read to see how long they are:\n  " + "\n  ".join(reasons[:5]))
    commonest = min(rates, key=lambda own: (-rates[own], -own))
    kept, pieces = _kept(lengths, seconds, LONGEST, pieces)
    if front == "wave":
        chosen = rate or WAVE_RATES[commonest > WAVE_RATES[0]]
        hop = round(chosen * CUT)
        length = -(-math.ceil(kept * chosen / hop) // _MULTIPLE) * _MULTIPLE
        return AudioLayout(front=front, rate=chosen, hop=hop, bands=hop, length=length, pieces=pieces)
    chosen = rate or min(USUAL, commonest)
    hop, window = max(1, round(chosen * HOP)), max(2, round(chosen * WINDOW))
    length = -(-(math.ceil(kept * chosen / hop) + 1) // _MULTIPLE) * _MULTIPLE
    return AudioLayout(rate=chosen, hop=hop, window=window, bands=bands or BANDS, length=length, pieces=pieces)


def _kept(lengths: Sequence[float], wanted: float | None, most: float, pieces: bool | None) -> tuple[float, bool]:
    """What a row holds, as `wanted` or as nearly all have, to `most`; and whether longer samples are in pieces."""
    every = np.array(lengths, np.float64)
    kept = wanted or min(most, float(np.quantile(every, 0.99)))
    if pieces is None:
        pieces = float((every - kept).clip(0).sum()) > LOST * float(every.sum())
    return kept if wanted or not pieces else min(most, float(every.max())), pieces


def measured(raw: Raw, rate: int | None) -> tuple[int, float]:
    """Samples a second and seconds of a recording, from its head. Raises `Unreadable`, `DataError` for features.

    A stream of which the head does not know the length counts as `LONGEST`.
    """
    if isinstance(raw, np.ndarray):
        if rate is None:
            raise Unreadable("an array says nothing of its samples a second: --set modality.rate=16000 does")
        return rate, len(mono(raw)) / rate
    if _features(raw):
        raise DataError("these are frames of features, no sounds: --set modality.front=features reads them")
    with opened(raw) as file:
        if file.frames <= 0:
            raise Unreadable("it holds no samples")
        known = file.frames < _UNKNOWN
        return int(file.samplerate), file.frames / file.samplerate if known else LONGEST


def _features(raw: bytes) -> bool:
    """Whether a file without the head of a sound holds frames of features."""
    try:
        with opened(raw):
            return False
    except Unreadable:
        with suppress(Unreadable):
            return len(frames(raw, CEPSTRA)) > 0
    return False


def _surveyed_features(
    raws: Iterable[Raw], bands: int | None, seconds: float | None, pieces: bool | None
) -> AudioLayout:
    if seconds is not None:
        raise DataError("how long a frame of features lasts is not known: leave modality.seconds out")
    widths: Counter[int] = Counter()
    lengths, reasons = [], []
    for raw in raws:
        try:
            found = _frames(raw, bands or CEPSTRA)
        except Unreadable as error:
            reasons.append(str(error))
            continue
        widths[found.shape[1]] += 1
        lengths.append(len(found))
    if not lengths:
        raise DataError("no frames can be read to see how many there are:\n  " + "\n  ".join(reasons[:5]))
    most = round(LONGEST / HOP)
    kept, pieces = _kept(lengths, None, most, pieces)
    length = min(most, -(-(int(kept) + 1) // _MULTIPLE) * _MULTIPLE)
    return AudioLayout(front="features", bands=widths.most_common(1)[0][0], length=length, pieces=pieces)


CEPSTRA = 13
"""Numbers of a frame in files that do not say how many: cepstra with energy."""


def read(raw: Raw, layout: AudioLayout) -> np.ndarray:
    """A recording as frames, float16 `[L, P]`, cut at L, NaN behind its end. Raises `Unreadable`."""
    if layout.front == "features":
        return padded(features(raw, layout), layout)
    if isinstance(raw, np.ndarray):
        return framed(mono(raw)[: layout.length * layout.hop], layout)
    return framed(wave(raw, layout.rate, layout.seconds), layout)


def padded(found: np.ndarray, layout: AudioLayout) -> np.ndarray:
    """Frames `[T, P]` as float16 `[L, P]`, cut at L, NaN behind the end."""
    packed = np.full(layout.shape, np.nan, np.float16)
    kept = found[: layout.length]
    packed[: len(kept)] = kept
    return packed


def framed(samples: Wave, layout: AudioLayout) -> np.ndarray:
    """A wave `[T]` at the layout's rate as a row of frames, of itself or of its spectra."""
    if layout.front == "wave":
        return padded(cut(samples, layout.hop), layout)
    found = spectra_of(
        torch.from_numpy(samples), rate=layout.rate, hop=layout.hop, window=layout.window, bands=layout.bands
    )
    return padded(found.clamp(-60_000, 60_000).numpy(), layout)


def cut(samples: np.ndarray, size: int) -> np.ndarray:
    """A wave `[T]` as frames of `size` samples, `[ceil(T / size), size]`; silence fills up the last one."""
    whole = np.pad(samples, (0, -len(samples) % size)).clip(-60_000, 60_000)
    return whole.reshape(-1, size)


def spectra_of(samples: Tensor, *, rate: int, hop: int, window: int, bands: int) -> Tensor:
    """Log-mel spectra `[1 + T // hop, bands]` of a wave `[T]`, of all that recorders let through."""
    high = 0.97 * rate / 2  # their filters let little through above
    return log_mel(samples, rate=rate, hop=hop, window=window, bands=bands, low=min(LOWEST, high / 10), high=high)


def spectra_of_waves(view: View) -> View:
    """The log-mel spectra `[B, L', 64]` of waves in frames `[B, L, P]`, real frames first: what floors read of them."""
    assert view.rate is not None
    assert view.valid is not None
    hop, window = max(1, round(view.rate * HOP)), max(2, round(view.rate * WINDOW))
    found = [
        spectra_of(frames[valid].flatten(), rate=view.rate, hop=hop, window=window, bands=BANDS)
        for frames, valid in zip(view.x, view.valid, strict=True)
    ]
    count = torch.tensor([len(each) for each in found], device=view.x.device)
    x = torch.nn.utils.rnn.pad_sequence(found, batch_first=True)
    return replace(view, x=x, valid=torch.arange(x.shape[1], device=x.device) < count[:, None], where=None, rate=None)


def mono(raw: np.ndarray) -> np.ndarray:
    """An array of samples `[T]`, whole numbers scaled to [-1, 1], as float32. Raises `Unreadable`."""
    if raw.ndim != 1 or not len(raw) or raw.dtype.kind not in "fi":
        raise Unreadable(f"an array of shape {raw.shape} and type {raw.dtype}, where samples [T] are expected")
    samples = raw.astype(np.float32)
    if raw.dtype.kind == "i":
        samples /= -float(np.iinfo(raw.dtype).min)
    if not np.isfinite(samples).all():
        raise Unreadable("its samples hold NaN or infinity")
    return samples


def features(raw: Raw, layout: AudioLayout) -> np.ndarray:
    """All frames of a file of features, float32 `[T, P]`. Raises `Unreadable`."""
    found = _frames(raw, layout.bands)
    if found.shape[1] != layout.bands:
        raise Unreadable(f"frames of {found.shape[1]} numbers, where those of the set have {layout.bands}")
    return found


def _frames(raw: Raw, bands: int) -> np.ndarray:
    return checked(raw) if isinstance(raw, np.ndarray) else frames(raw, bands)
