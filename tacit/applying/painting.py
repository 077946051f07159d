"""Predicted masks as files: an index PNG a sample at the sample's own size, and the sample with its mask laid over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from tacit import interrupt
from tacit.data.annotation import VOID, Mask
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.errors import Unreadable
from tacit.heads.head import Answers
from tacit.model import TrainedModel

MASKS, OVERLAYS, NAMES = "masks", "overlays", "classes.txt"
STRENGTH = 0.5
"""How strongly a class colours the sample in its overlay."""

Picture = npt.NDArray[np.uint8]


def palette(count: int = 256) -> npt.NDArray[np.uint8]:
    """Colours of classes, uint8 `[count, 3]`; void is white.

    Hues go round by the golden angle, so that neighbouring numbers look different; lightness alternates.
    """
    import colorsys

    turn = (5**0.5 - 1) / 2
    colours = [colorsys.hls_to_rgb((number * turn) % 1, (0.5, 0.65, 0.38)[number % 3], 0.75) for number in range(count)]
    table = np.round(np.array(colours) * 255).astype(np.uint8)
    if count == VOID + 1:
        table[VOID] = 255
    return table


def write_masks(model: TrainedModel, dataset: Dataset, batches: Iterator[tuple[Tensor, Answers]], folder: Path) -> None:
    """Write `masks/NAME.png`, `overlays/NAME.png` and `classes.txt`, a name a line in the order of the values.

    Cells that the encoder did not see (frame crop) hold 255. Raises `OSError`.
    """
    (folder / NAMES).write_text("".join(f"{name}\n" for name in model.classes), encoding="utf-8")
    samples, modality = dataset.everything(), dataset.modality
    taken: set[str] = set()
    for rows, answers in batches:
        for row, packed in zip(rows.tolist(), answers["masks"].numpy(), strict=True):
            interrupt.check()
            raw = dataset.raw(int(samples.source_rows[row]))
            assert modality.extent is not None
            assert modality.window is not None
            width, height, _ = modality.extent(raw)
            mask = enlarged(packed, modality.window(width, height, dataset.layout), (height, width))
            name = _free(samples.names[row], taken)
            _save(_indexed(mask), folder / MASKS / name)
            if modality.whole is not None:
                try:
                    whole = modality.whole(raw, dataset.layout)
                except Unreadable:  # more bands than a picture has
                    continue
                _save(Image.fromarray(overlaid(whole, mask)), folder / OVERLAYS / name)


def enlarged(mask: Mask, window: tuple[float, float, float, float], shape: tuple[int, int]) -> Mask:
    """A packed mask `[h, w]` on the whole sample of `shape` (height, width), `VOID` outside `window`.

    Each class is enlarged bilinearly by itself, so that borders become smooth and no class comes between two others.
    """
    left, upper, right, lower = (round(edge) for edge in window)
    size = (max(1, right - left), max(1, lower - upper))
    best = np.full(size[::-1], -1.0, np.float32)
    drawn = np.zeros(size[::-1], np.uint8)
    for number in np.unique(mask):
        plane = Image.fromarray((mask == number).astype(np.float32))
        share = np.asarray(plane.resize(size, Image.Resampling.BILINEAR))
        drawn[share > best] = number
        best = np.maximum(best, share)
    whole = np.full(shape, VOID, np.uint8)
    whole[upper : upper + size[1], left : left + size[0]] = drawn
    return whole


def overlaid(picture: Picture, mask: Mask) -> Picture:
    """The `picture [H, W, 3]` tinted by the class of each cell, with a dark line between classes."""
    tint = palette()[mask].astype(np.float32)
    known = (mask != VOID)[..., None]
    mixed = np.where(known, (1 - STRENGTH) * picture + STRENGTH * tint, 0.35 * picture)
    border = np.zeros(mask.shape, np.bool_)
    border[1:] |= mask[1:] != mask[:-1]
    border[:, 1:] |= mask[:, 1:] != mask[:, :-1]
    mixed[border] *= 0.4
    return mixed.round().astype(np.uint8)


def _indexed(mask: Mask) -> Image.Image:
    made = Image.fromarray(mask)
    made.putpalette(palette().tobytes())  # turns levels of grey into places in the palette
    return made


def _save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "PNG")


def _free(name: str, taken: set[str]) -> str:
    """The sample's path with the suffix .png, with a number where two samples differ in their suffix alone."""
    plain = PurePosixPath(*(part for part in PurePosixPath(printable(name)).parts if part not in ("/", "..", ".")))
    stem = str(plain.with_suffix(""))
    candidates = (stem, *(f"{stem}-{number}" for number in range(2, 10_000)))
    free = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(free)
    return f"{free}.png"
