"""What is to be known of images before training, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tacit.core import Raw, View
from tacit.modalities.pictures import ImageLayout, extent, net, opened, pages, undecoded
from tacit.modalities.pixels import kept

Fact = str | float
_DEPTHS = {"1": 1, "I": 32, "F": 32, "I;16": 16, "I;16L": 16, "I;16B": 16, "I;16N": 16}
_BANDS = {"1": 1, "I": 1, "F": 1, "P": 3}
SMALLEST = 16
"""The side that a survey chooses at least: encoders reduce it to a few cells."""
_LOST = 1.5  # enlargements, and shares of the frame, below this are everyday
_GREY = 2 / 255  # rounding of JPEG's colours


def facts(raw: Raw) -> Mapping[str, Fact]:
    """Format, mode, bits, channels and size of an image, from its head where it has one. Raises `Unreadable`."""
    with net():
        sample = opened(raw, None)
        width, height, _ = extent(sample)
        size: dict[str, Fact] = {"width": width, "height": height, "aspect": width / height}
        if isinstance(sample, np.ndarray):
            kind = "array" if isinstance(raw, np.ndarray) else "DICOM" if raw[128:132] == b"DICM" else "TIFF"
            channels = sample.shape[2] if sample.ndim == 3 else 1
            return {"format": kind, "mode": str(sample.dtype), "channels": str(channels), **size}
        image = undecoded(sample)
        count = pages(image)
        channels = count if count > 1 else _BANDS.get(image.mode, len(image.getbands()))
        mode = f"{image.mode}, {_DEPTHS.get(image.mode, 8)} bit"
        return {"format": str(image.format), "mode": mode, "channels": str(channels), **size}


def advice(known: Mapping[str, Sequence[Fact]], layout: ImageLayout, sample: View) -> Sequence[str]:
    """What to do about the images of a set: `known` are their facts by name, `sample` some of them as packed."""
    width, height = (np.array([float(value) for value in known[name]]) for name in ("width", "height"))
    return [*_detail(width, height, layout), *_frame(width, height, layout), *_colour(sample, layout)]


def _detail(width: np.ndarray, height: np.ndarray, layout: ImageLayout) -> list[str]:
    """What is lost or made up where the packed size differs from the files'."""
    short = float(np.median(np.minimum(width, height)))
    times = short / layout.size
    if times >= _LOST:
        larger = min(1024, 8 * round(min(2 * layout.size, short) / 8))
        return [
            f"the short side of {short:,.0f} px (median) is reduced to {layout.size}: details under {2 * times:.0f} px "
            f"vanish. If they matter, --set modality.size={larger} keeps more, at {(larger / layout.size) ** 2:.1f} "
            "times the cost of a step"
        ]
    if times * _LOST <= 1 and layout.size > SMALLEST:
        return [
            f"the short side of {short:,.0f} px (median) is enlarged to {layout.size}, which costs time and shows "
            f"nothing new: --set modality.size={max(8, 8 * round(short / 8))}"
        ]
    return []


def _frame(width: np.ndarray, height: np.ndarray, layout: ImageLayout) -> list[str]:
    """What the frame leaves out, or how much it stretches."""
    aspect = float(np.median(np.maximum(width, height) / np.minimum(width, height)))
    if aspect < _LOST:
        return []
    if layout.frame == "stretch":
        return [f"images are stretched to squares, which narrows them {aspect:.1f} times (median)"]
    left, upper, right, lower = kept(round(1000 * aspect), 1000, layout.frame)
    share = 1 - (right - left) * (lower - upper) / (1e6 * aspect)
    return [
        f"images are {aspect:.1f} times longer than wide (median), and the central square leaves {share:.0%} of them "
        "out: --set modality.frame=stretch keeps all, at the price of proportions"
    ]


def _colour(sample: View, layout: ImageLayout) -> list[str]:
    """Grey images under the colours of a method made for photographs."""
    if layout.channels == 3 and float((sample.x - sample.x.mean(1, keepdim=True)).abs().amax()) <= _GREY:
        return ["all images are grey but stored as colour: --set modality.channels=1 packs a third of the bytes"]
    if layout.channels == 1:
        return ["all images are grey: methods and jitter that work on colour have nothing to work on here"]
    if layout.channels in (2, 4):
        return [
            f"images are packed with {layout.channels} channels, the last one read as alpha or a band: colour jitter "
            "changes brightness and contrast alone"
        ]
    return []
