"""Series as they are packed: steps over channels, as long as the longest of their set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from tacit.core import Layout, Raw, View
from tacit.errors import DataError, Unreadable
from tacit.modalities.grid import Step
from tacit.modalities.steps import Values, decode

LONGEST = 4096
"""Steps that are kept of a series at most, unless more are asked for."""
_MOST = 2**26
"""Numbers of a packed series."""


class SeriesLayout(Layout):
    """How the series of one set are packed: steps `[length, channels]`, NaN behind the end and where one is missing."""

    channels: int = Field(ge=1, le=4096)
    length: int = Field(ge=1, le=1_000_000)
    """L, steps that are kept of a series."""
    normalise: Literal["none", "series"] = "none"
    stride: int | None = Field(default=None, ge=1, description="steps from window to window; None: series are cut at L")
    every: Step | None = None
    """How far steps are apart, where rows are brought to even ones; None: a row is a step."""

    @property
    def in_pieces(self) -> bool:
        """Whether longer series become several rows, windows of L steps."""
        return self.stride is not None

    @property
    def shape(self) -> tuple[int, int]:
        """`(L, C)`."""
        return (self.length, self.channels)

    @property
    def dtype(self) -> str:
        """numpy's name of the numbers' type."""
        return "float32"

    def brief(self) -> dict[str, object]:
        """The layout in short, to be read by people."""
        windows = {"a window every": self.stride} if self.in_pieces else {}
        even = {} if self.every is None else {"a step every": self.every}
        return {"channels": self.channels, "steps": self.length, **even, **windows, "normalised": self.normalise}


def survey(
    raws: Iterable[Raw],
    steps: int | None,
    normalise: Literal["none", "series"],
    window: int | None = None,
    stride: int | None = None,
    every: str | None = None,
) -> SeriesLayout:
    """The layout for `raws`: their commonest number of channels, and the length of the longest, to 4,096 steps.

    Windows of `window` steps begin every `stride` steps, by default at every half of one; `every` says how far steps
    are apart (`grid.Every`). Raises `DataError` where none of them can be read, with the first reasons, and where a
    window would be longer than all of them.
    """
    widths: Counter[int] = Counter()
    longest, reasons = 1, []
    for raw in raws:
        try:
            found = decode(raw, every)
        except Unreadable as error:
            reasons.append(str(error))
            continue
        widths[found.shape[1]] += 1
        longest = max(longest, len(found))
    if not widths:
        raise DataError("no series can be read to see how long they are:\n  " + "\n  ".join(reasons[:5]))
    channels = widths.most_common(1)[0][0]
    if window is not None and window > longest:
        raise DataError(
            f"modality.window is {window:,} steps, and the longest series has {longest:,}: there is nothing to cut. "
            "Give fewer, or leave it out, and every series is a sample"
        )
    length = window or steps or min(LONGEST, longest)
    if length * channels > _MOST:
        raise DataError(
            f"series of {length:,} steps and {channels:,} channels are {length * channels:,} numbers, more than the "
            f"limit of {_MOST:,}: --set modality.{'window' if window else 'steps'}={max(1, _MOST // channels)} keeps "
            "fewer"
        )
    apart = None if window is None else stride or max(1, window // 2)
    return SeriesLayout(channels=channels, length=length, normalise=normalise, stride=apart, every=every)


def read(raw: Raw, layout: SeriesLayout) -> np.ndarray:
    """A series, float32 `[L, C]`, cut at L, NaN behind its end. Raises `Unreadable`."""
    packed = _packed(_decoded(raw, layout), layout)
    if np.isnan(packed).all():
        raise Unreadable(f"no value among its first {layout.length:,} steps")
    return packed


def windows(raw: Raw, layout: SeriesLayout) -> Iterator[tuple[np.ndarray, str]]:
    """A series in windows of L steps, one every `stride`; the last one ends where the series does.

    Where a window lies is said in steps, `steps=64,192`; a series that is no longer than one is whole. Windows without
    any value are left out. Raises `Unreadable` before the first one.
    """
    found = _decoded(raw, layout)
    assert layout.stride is not None
    last = max(0, len(found) - layout.length)
    for begin in (*range(0, last, layout.stride), last):
        packed = _packed(found[begin:], layout)
        if not np.isnan(packed).all():
            yield packed, f"steps={begin},{begin + layout.length}" if last else ""


def _decoded(raw: Raw, layout: SeriesLayout) -> Values:
    found = decode(raw, layout.every)
    if found.shape[1] != layout.channels:
        raise Unreadable(f"{found.shape[1]} channels, where those of the set have {layout.channels}")
    return found


def _packed(found: Values, layout: SeriesLayout) -> np.ndarray:
    packed = np.full(layout.shape, np.nan, np.float32)
    kept = found[: layout.length]
    packed[: len(kept)] = kept
    return packed


def collate(packed: Tensor, layout: SeriesLayout) -> View:
    """Steps float32 `[B, L, C]`: NaN where a value is missing, 0 where all of a step are, which `valid` says."""
    x = packed.float()
    known = ~x.isnan()
    if layout.normalise == "series":
        count = known.sum(dim=1, keepdim=True).clamp_min(1)
        x = x - x.where(known, 0.0).sum(dim=1, keepdim=True) / count
        spread = (x.where(known, 0.0).square().sum(dim=1, keepdim=True) / count).sqrt()
        x = x / spread.where(spread > 0, 1.0)
    valid = known.any(dim=2)
    where = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
    return View(x.where(valid[..., None], 0.0), valid, where)
