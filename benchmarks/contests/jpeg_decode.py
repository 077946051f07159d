"""Large JPEGs to small pictures: tacit's reader, which lets the decoder skip what is not needed, beside all of it."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

from contests.contest import Contest, Found, Side, Size
from contests.jpegs import check, made_up, square


def _files(size: Size) -> list[bytes]:
    return made_up(size["images"], size["width"], size["height"])


def _tacit(size: Size) -> Callable[[], list[np.ndarray]]:
    from tacit.modalities.pictures import ImageLayout, read

    files, layout = _files(size), ImageLayout(channels=3, size=size["side"])
    return lambda: [read(file, layout).transpose(1, 2, 0) for file in files]


def _pillow(size: Size) -> Callable[[], list[np.ndarray]]:
    from PIL import Image

    files = _files(size)
    return lambda: [square(Image.open(io.BytesIO(file)), size["side"]) for file in files]


def _settled(squares: list[np.ndarray]) -> Found:
    return {"pictures": np.stack(squares) / np.float32(255)}


CONTEST = Contest(
    __name__,
    "jpeg-decode",
    "{images} JPEGs of {width:,} x {height} decoded to {side} px",
    Side("tacit", "tacit", _tacit),
    (Side("Pillow", "pillow", _pillow),),
    {
        "full": {"images": 128, "width": 1024, "height": 768, "side": 112},
        "tiny": {"images": 3, "width": 320, "height": 256, "side": 32},
    },
    check,
    rounds=3,
    settle=_settled,
)
