"""JPEG files for contests: photographs of flowers where they are, else pictures with colours and grain like those."""

from __future__ import annotations

import atexit
import io
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from contests.contest import DisagreementError, Found

_PHOTOGRAPHS = Path(os.environ.get("TACIT_DATA", "")) / "images" / "flowers"
DIFFERENT = 64
"""Of so many made-up pictures all others are shifted ones: to make a picture takes longer than to read it."""
AGREE = 0.01
"""How far pixels may be apart on average, where white is 1."""


def made_up(count: int, width: int, height: int) -> list[bytes]:
    """`count` JPEGs of `width` x `height`, the same ones at every call."""
    import torch
    import torch.nn.functional as F
    from PIL import Image

    generator = torch.Generator().manual_seed(0)
    shapes = ((4, 0.7), (16, 0.2), (height // 2, 0.1))
    files: list[bytes] = []
    for _ in range(min(count, DIFFERENT)):
        parts = (share * torch.rand(1, 3, side, side, generator=generator) for side, share in shapes)
        large = sum(F.interpolate(part, (height, width), mode="bicubic").clamp(0, 1) for part in parts)
        pixels = (large[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()  # type: ignore[index]
        for turn in range(len(files), count, DIFFERENT):
            held = io.BytesIO()
            Image.fromarray(np.roll(pixels, 8 * turn, 1)).save(held, "JPEG", quality=90)
            files.append(held.getvalue())
    return files[:count]


def folder(count: int, width: int, height: int) -> Path:
    """A folder of `count` of them that goes when the process ends; of photographs, if so many are there."""
    place = Path(tempfile.mkdtemp())
    atexit.register(partial(shutil.rmtree, place))
    known = sorted(_PHOTOGRAPHS.rglob("*.jpg"))[:count] if _PHOTOGRAPHS.is_dir() else []
    for at in range(count if len(known) == count else 0):
        (place / f"{at:05d}.jpg").symlink_to(known[at])
    for at, held in enumerate([] if len(known) == count else made_up(count, width, height)):
        (place / f"{at:05d}.jpg").write_bytes(held)
    return place


def square(image: Any, side: int) -> np.ndarray:
    """The middle of a picture that Pillow has opened, decoded whole and resized: uint8 `[side, side, 3]`."""
    from PIL import Image

    image = image.convert("RGB")
    width, height = image.size
    least = min(width, height)
    left, upper = (width - least) / 2, (height - least) / 2
    box = (left, upper, left + least, upper + least)
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box=box))


def check(ours: Found, theirs: Found) -> str:
    """Whether `pictures`, floats in [0, 1], are the same on average."""
    apart = float(np.abs(ours["pictures"] - theirs["pictures"]).mean())
    if not apart <= AGREE:
        raise DisagreementError(f"pixels are {apart:.3f} of white apart on average, and may be {AGREE}")
    return f"pixels {apart:.0e} of white apart on average"
