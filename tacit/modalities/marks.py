"""Masks as image files hold them, and whole images to lay them over.

A mask's values are taken as they are stored, since a class must not be interpolated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.WebPImagePlugin import WebPImageFile

from tacit.core import Raw
from tacit.errors import Unreadable
from tacit.modalities.pictures import ImageLayout, extent, net, read, undecoded
from tacit.modalities.pixels import Pixels

_VALUES = frozenset({"1", "L", "LA", "P", "PA", "I", "I;16", "I;16L", "I;16B", "I;16N"})
_COLOURS = frozenset({"RGB", "RGBA", "RGBX"})


def stored(raw: Raw, colours: bool) -> npt.NDArray[Any]:
    """The values of a mask, whole numbers `[H, W]`, or its colours, uint8 `[H, W, 3]`.

    Palettes stay numbers, unless `colours` asks for what they stand for. Transparency is passed over.

    Raises:
        Unreadable: with the reason; in particular for formats that lose, which blur one class into the next.
    """
    with net():
        if isinstance(raw, np.ndarray):
            return raw
        mask = undecoded(raw)
        if isinstance(mask, JpegImageFile | WebPImageFile) or "jpeg" in str(mask.info.get("compression", "")):
            raise Unreadable(
                f"its mask is a {'WebP' if isinstance(mask, WebPImageFile) else 'JPEG'} file, a format that blurs one "
                "class into the next: export the masks as PNG"
            )
        if mask.mode in ("P", "PA") and colours:
            return np.asarray(mask.convert("RGB"))
        if mask.mode not in _VALUES | _COLOURS:
            raise Unreadable(f"its mask has the mode {mask.mode}: export it as an index or RGB PNG")
        values = np.asarray(mask)
        if mask.mode in _COLOURS:
            return values[..., :3]
        return values if values.ndim == 2 else values[..., 0]


def whole(raw: Raw, layout: ImageLayout) -> Pixels:
    """The upright image at its own size, uint8 `[H, W, 3]`; beyond 1024 px a softer one. Raises `Unreadable`."""
    width, height, _ = extent(raw)
    square = ImageLayout(channels=3, size=min(1024, max(width, height)), frame="stretch", white=layout.white)
    pixels = read(raw, square).transpose(1, 2, 0)
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize((width, height), Image.Resampling.BILINEAR))
