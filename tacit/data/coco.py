"""COCO: files of `images`, `categories` and `annotations`, the samples in a folder beside or above."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tacit import interrupt
from tacit.data.annotation import Boxes
from tacit.data.boxes import Drawn, annotated_source, boxes_of
from tacit.data.coco_file import EXPORTED, CocoFile, Entry, part_of, read_coco, recognised
from tacit.data.listing import NO_PART, SPLIT_NAMES, Source, printable
from tacit.data.outlines import masks_of
from tacit.errors import DataError, Unreadable

_PROBED = 20


def open_coco(path: Path, suffixes: frozenset[str]) -> Source | None:
    """The set that a .json file describes, or those in a folder: annotations/instances_*.json, an exported file a part,
    or a single .json in the folder itself or in annotations/, or one a part (train.json, val.json, ...); None where
    there is none.

    Crowds are left out. Raises `DataError` where the file is none of COCO's, or names no file that there is.
    """
    files = [read_coco(path)] if path.is_file() else list(_found(path))
    if not files:
        return None
    categories = files[0].categories
    for file in files[1:]:
        if dict(file.categories) != dict(categories):
            raise DataError(f"{files[0].path} and {file.path} have different categories: they are two sets, open one")
    root = path if path.is_dir() else path.parent
    codes = {key: code for code, key in enumerate(categories)}
    parts: dict[str, int] = {}
    drawn = []
    for file in files:
        folder = _folder(file)
        for entry in file.samples:
            interrupt.check()
            name = os.path.relpath(folder / str(entry["file_name"]), root)
            if name in parts:
                raise DataError(f"{file.path}: {printable(name)} stands twice in the set")
            parts[name] = file.part
            drawn.append(Drawn(name, file.part, _boxes(entry, file.drawn.get(entry["id"], ()), codes)))
    notes = [note for file in files for note in file.notes]
    source = annotated_source(str(path), root, drawn, tuple(categories.values()), suffixes, notes)
    assert source.annotations is not None
    return replace(source, annotations=replace(source.annotations, twin=masks_of(files)))


def _found(folder: Path) -> Iterator[CocoFile]:
    """The COCO files of a folder."""
    paths = sorted((folder / "annotations").glob("instances_*.json"))
    paths = paths or sorted(file for file in folder.glob(f"*/{EXPORTED}") if file.parent.name.lower() in SPLIT_NAMES)
    if paths:
        yield from map(read_coco, paths)
        return
    lying = sorted([*folder.glob("*.json"), *(folder / "annotations").glob("*.json")])
    if len(lying) > 1:
        lying = [file for file in lying if part_of(file) != NO_PART]
    kinds = {file: recognised(file) for file in lying}
    if any(kinds.values()):  # else some other files happen to lie here
        yield from (read_coco(file) for file, kind in kinds.items() if kind is not False)


def _folder(file: CocoFile) -> Path:
    """Where the samples lie: the usual place where most of the first names are found."""
    beside, above = file.path.parent, file.path.parent.parent
    stem = file.path.stem.removeprefix("instances_")
    tried = [place / kind / part for place in (beside, above) for kind in ("", "images") for part in ("", stem)]
    names = [str(entry["file_name"]) for entry in file.samples[:_PROBED]]
    counts = [sum((place / name).is_file() for name in names) for place in tried]
    if names and not any(counts):
        looked = ", ".join(str(place) for place in tried)
        raise DataError(f"{file.path} names {printable(names[0])} and others, and none of them lies in {looked}")
    return tried[counts.index(max(counts))]


def _boxes(entry: Entry, drawn: Sequence[Entry], codes: Mapping[Any, int]) -> Boxes | str:
    """The boxes of one sample, or why they cannot be read."""
    try:
        rows, labels = [], []
        for one in drawn:
            if one["category_id"] not in codes:
                raise Unreadable(f"category {one['category_id']!r} is none of the {len(codes)} categories")
            labels.append(codes[one["category_id"]])
            rows.append(_corners(one.get("bbox")))
        width, height = (_side(entry, name) for name in ("width", "height"))
        return boxes_of(rows, labels, width, height)
    except Unreadable as error:
        return str(error)


def _corners(bbox: Any) -> list[float]:
    """`[left, upper, width, height]` as edges."""
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(isinstance(value, int | float) for value in bbox):
        raise Unreadable(f"bbox is {str(bbox)[:40]}, expected [left, upper, width, height]")
    left, upper, width, height = map(float, bbox)
    return [left, upper, left + width, upper + height]


def _side(entry: Entry, name: str) -> int:
    value = entry.get(name) or 0
    if not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise Unreadable(f"its {name} is {value!r}")
    return int(value)
