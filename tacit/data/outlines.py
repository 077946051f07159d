"""COCO's polygons and run lengths as masks: the class of each cell."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tacit.data.annotation import VOID, VOID_NAMES, Annotations, Legend, Mask
from tacit.data.coco_file import CocoFile, read_coco
from tacit.data.listing import stamp
from tacit.errors import Unreadable

BACKGROUND = "background"
"""The class of cells on which nothing is drawn."""


class _Files:
    """The files of a set, read again where masks are asked for: outlines are large, and training needs none."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._known: dict[int, CocoFile] = {}
        self._lock = threading.Lock()

    def __getitem__(self, number: int) -> CocoFile:
        with self._lock:
            if number not in self._known:
                self._known[number] = read_coco(self._paths[number])
            return self._known[number]


def masks_of(files: Sequence[CocoFile]) -> Annotations | None:
    """The objects in `files` as masks, in the order of their entries; None where there are no outlines.

    Cells without an object are of the class `background`, crowds are void, and of objects that overlap the smaller one
    lies on top. Masks are drawn when they are read; memory does not hold them.
    """
    drawn = (one for file in files for some in file.drawn.values() for one in some)
    if not any(one.get("segmentation") for one in drawn):
        return None
    names = tuple(files[0].categories.values())
    names = names if BACKGROUND in names else (BACKGROUND, *names)
    codes = {key: names.index(name) for key, name in files[0].categories.items()}
    places = [
        (number, entry["id"], entry.get("width"), entry.get("height"))
        for number, file in enumerate(files)
        for entry in file.samples
    ]
    opened = _Files([file.path for file in files])

    def mask(row: int) -> Mask:
        number, key, width, height = places[row]
        if not isinstance(width, int) or not isinstance(height, int) or min(width, height) < 1:
            raise Unreadable("its entry does not say width and height, which a mask needs")
        file = opened[number]
        return draw(file.drawn.get(key, ()), file.crowds.get(key, ()), codes, names.index(BACKGROUND), (height, width))

    marks = ", ".join(f"{file.path.name} {stamp(file.path.stat())}" for file in files)
    return Annotations(
        "masks",
        tuple(name for name in names if name.lower() not in VOID_NAMES),
        mask,
        np.ones(len(places), np.bool_),
        legend=Legend(names),
        fingerprint=f"coco {marks}",
    )


def draw(
    objects: Sequence[Mapping[str, Any]],
    crowds: Sequence[Mapping[str, Any]],
    codes: Mapping[Any, int],
    background: int,
    shape: tuple[int, int],
) -> Mask:
    """The mask of one sample, uint8 `[H, W]`. Raises `Unreadable` where an outline makes no sense."""
    mask: Mask = np.full(shape, background, np.uint8)
    for crowd in crowds:
        mask[_filled(crowd.get("segmentation"), shape)] = VOID
    regions = [(_filled(one.get("segmentation"), shape), codes[one["category_id"]]) for one in objects]
    for region, code in sorted(regions, key=lambda pair: -int(pair[0].sum())):
        mask[region] = code
    return mask


def _filled(outline: Any, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Which cells an outline covers: polygons `[[x, y, x, y, ...], ...]`, or run lengths, compressed or not."""
    from pycocotools import mask as rle

    height, width = shape
    try:
        if not outline:
            raise Unreadable("an object has no outline")
        if isinstance(outline, list):
            if any(len(polygon) < 6 or len(polygon) % 2 for polygon in outline):
                raise Unreadable("a polygon has fewer than three corners")
            runs = rle.merge(rle.frPyObjects([[float(value) for value in each] for each in outline], height, width))
        else:
            if list(outline["size"]) != [height, width]:
                raise Unreadable(f"an outline was drawn on {outline['size']} cells, expected [{height}, {width}]")
            counts = outline["counts"]
            if isinstance(counts, list):
                if min(counts, default=0) < 0 or sum(counts) != height * width:
                    raise Unreadable(f"run lengths add up to {sum(counts)}, expected {height} x {width} cells")
                runs = rle.frPyObjects(dict(outline), height, width)
            else:
                runs = {"size": [height, width], "counts": counts}
        region: npt.NDArray[np.bool_] = rle.decode(runs).astype(np.bool_)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise Unreadable(f"an outline cannot be read: {error}") from None
    return region
