"""Series as they are packed: steps over channels, as long as the longest of their set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from tacit.core import Layout, Raw, View
from tacit.errors import DataError, Unreadable
from tacit.modalities.steps import decode

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
        return {"channels": self.channels, "steps": self.length, "normalised": self.normalise}


def survey(raws: Iterable[Raw], steps: int | None, normalise: Literal["none", "series"]) -> SeriesLayout:
    """The layout for `raws`: their commonest number of channels, and the length of the longest, to 4,096 steps.

    Raises `DataError` where none of them can be read, with the first reasons.
    """
    widths: Counter[int] = Counter()
    longest, reasons = 1, []
    for raw in raws:
        try:
            found = decode(raw)
        except Unreadable as error:
            reasons.append(str(error))
            continue
        widths[found.shape[1]] += 1
        longest = max(longest, len(found))
    if not widths:
        raise DataError("no series can be read to see how long they are:\n  " + "\n  ".join(reasons[:5]))
    channels = widths.most_common(1)[0][0]
    length = steps or min(LONGEST, longest)
    if length * channels > _MOST:
        raise DataError(
            f"series of {length:,} steps and {channels:,} channels are {length * channels:,} numbers, more than the "
            f"limit of {_MOST:,}: --set modality.steps={max(1, _MOST // channels)} keeps fewer"
        )
    return SeriesLayout(channels=channels, length=length, normalise=normalise)


def read(raw: Raw, layout: SeriesLayout) -> np.ndarray:
    """A series, float32 `[L, C]`, cut at L, NaN behind its end. Raises `Unreadable`."""
    found = decode(raw)
    if found.shape[1] != layout.channels:
        raise Unreadable(f"{found.shape[1]} channels, where those of the set have {layout.channels}")
    packed = np.full(layout.shape, np.nan, np.float32)
    kept = found[: layout.length]
    packed[: len(kept)] = kept
    if np.isnan(packed).all():
        raise Unreadable(f"no value among its first {layout.length:,} steps")
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
