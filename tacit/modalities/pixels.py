"""Arithmetic on pixels: ranges, the central square, orientation, channels; whatever file they came from."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image

from tacit.errors import Unreadable

GREY = 128
"""What shows through transparent pixels: the middle, which suits dark and bright subjects alike."""

MEGAPIXELS = 64
MAX_CHANNELS = 64

Pixels = npt.NDArray[np.uint8]


def check_pixels(width: int, height: int) -> None:
    """Raise `Unreadable` for a size that is none, or beyond the limit."""
    if min(width, height) < 1:
        raise Unreadable(f"no pixels: {width} x {height}")
    if width * height > MEGAPIXELS * 10**6:
        millions = width * height / 10**6
        raise Unreadable(f"{width} x {height} are {millions:.0f} megapixels, more than the limit of {MEGAPIXELS}")


def to_8_bits(values: npt.NDArray[Any], white: int) -> npt.NDArray[np.float32]:
    """Values of any supported type as float32 from 0 to 255; not rounded, so that resizing loses nothing.

    `white` is the integer that becomes 255 where integers have more than 8 bits. Raises `Unreadable`.
    """
    kind = values.dtype.kind
    if kind not in "biuf":
        raise Unreadable(f"values of type {values.dtype}: give integers, or floats within 0 and 1")
    if kind == "f" and not np.isfinite(values).all():
        raise Unreadable("it holds NaN or infinite values")
    low, high = float(values.min()), float(values.max())
    if kind == "f":
        if low < 0 or high > 1:
            raise Unreadable(f"floats from {low:.4g} to {high:.4g}: scale them to 0..1")
        return (values * 255).astype(np.float32)
    if low < 0 or high > 65535:
        raise Unreadable(f"integers from {low:.0f} to {high:.0f}: scale them to 0..65535")
    scale = {"b": 1, "u": 255}.get(kind, white) if values.dtype.itemsize == 1 else white
    scaled: npt.NDArray[np.float32] = np.minimum(values.astype(np.float32) * np.float32(255 / scale), 255)
    return scaled


Frame = Literal["crop", "stretch"]
"""What of an image is kept: its central square, or all of it at the price of its proportions."""


def kept(width: int, height: int, frame: Frame) -> tuple[int, int, int, int]:
    """The part of an image that `frame` keeps: left, upper, right and lower edge in pixels."""
    side_x, side_y = (width, height) if frame == "stretch" else (min(width, height),) * 2
    left, top = (width - side_x) // 2, (height - side_y) // 2
    return (left, top, left + side_x, top + side_y)


def shrink(image: Image.Image, size: int, frame: Frame = "crop") -> Pixels:
    """What `frame` keeps, at `size`: uint8 `[size, size, C]`."""
    if image.mode in ("L", "RGB"):
        array = np.array(image)
        return resized(array.reshape(*array.shape[:2], -1), size, frame)
    if image.size != (size, size):
        box = kept(*image.size, frame)
        image = image.resize((size, size), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)
    if image.mode == "F":
        values: Pixels = np.clip(np.rint(np.asarray(image)), 0, 255).astype(np.uint8)
        return values.reshape(size, size, 1)
    return np.frombuffer(image.tobytes(), np.uint8).reshape(size, size, -1)  # less work than `asarray`


def resized(pixels: Pixels, size: int, frame: Frame = "crop") -> Pixels:
    """What `frame` keeps of `[H, W, C]`, at `size`, a copy: `[size, size, C]`, within some values of what Pillow makes.

    By torch's kernel for bytes (bicubic, antialiased), which takes a third to a fifth of Pillow's time.
    """
    left, upper, right, lower = kept(pixels.shape[1], pixels.shape[0], frame)
    part = pixels[upper:lower, left:right]
    if part.shape[:2] == (size, size):
        return part.copy()
    x = torch.from_numpy(np.require(part, requirements="W")).permute(2, 0, 1)[None]
    found: Pixels = F.interpolate(x, (size, size), mode="bicubic", antialias=True)[0].permute(1, 2, 0).numpy()
    return found


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """`[size, size, C]` turned as the EXIF value `orientation` asks; 1 and unknown values change nothing."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def fit(pixels: Pixels, channels: int) -> Pixels:
    """`[size, size, c]` -> `[size, size, channels]` among grey, grey and alpha, RGB, RGBA.

    Raises `Unreadable` for other changes of the number of channels.
    """
    have = pixels.shape[2]
    if have == channels:
        return pixels
    if have > 4 or channels > 4:
        raise Unreadable(f"it has {have} channels, the others have {channels}")
    colour, alpha = (pixels[..., :-1], pixels[..., -1:]) if have in (2, 4) else (pixels, None)
    if alpha is not None and channels in (1, 3):
        mixed = colour.astype(np.int32) * alpha + GREY * (255 - alpha.astype(np.int32))
        colour = ((mixed + 127) // 255).astype(np.uint8)
    if channels >= 3 and colour.shape[2] == 1:
        colour = colour.repeat(3, axis=2)
    elif channels <= 2 and colour.shape[2] == 3:  # luma of ITU-R BT.601, as in JPEG
        luma = (colour @ np.array([19595, 38470, 7471], np.int64) + 0x8000) >> 16
        colour = luma.astype(np.uint8)[..., None]
    if channels in (2, 4):
        opaque = np.full_like(colour[..., :1], 255)
        colour = np.concatenate([colour, opaque if alpha is None else alpha], axis=2)
    return colour
