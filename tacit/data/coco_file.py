"""A COCO file as it stands: `images`, `categories` and `annotations` in one JSON object."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tacit.data.listing import NO_PART, SPLIT_NAMES
from tacit.errors import DataError

KEYS = ("images", "annotations", "categories")
EXPORTED = "_annotations.coco.json"

Entry = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class CocoFile:
    """A COCO file, its entries as they stand."""

    path: Path
    part: int
    """Index into `PARTS`, as the name of the file or of its folder says."""
    samples: Sequence[Entry]
    drawn: Mapping[Any, Sequence[Entry]]
    """Id of an entry of `samples` -> what is drawn on it, without crowds."""
    crowds: Mapping[Any, Sequence[Entry]]
    """The same for crowds."""
    categories: Mapping[Any, str]
    """Id -> name, in the order of the ids, which need not be contiguous."""
    notes: tuple[str, ...]


def read_coco(path: Path) -> CocoFile:
    """The file at `path`. Raises `DataError` where it is none of COCO's."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no valid JSON: {error}") from None
    if not _is_coco(content):
        raise DataError(f"{path} is no COCO file: it must be an object with the lists {', '.join(KEYS)}")
    listed = _entries(content, "images", ("id", "file_name"), path)
    named = _entries(content, "categories", ("id", "name"), path)
    known = {entry["id"] for entry in listed}
    if len(known) < len(listed) or len({entry["id"] for entry in named}) < len(named):
        raise DataError(f"{path}: an id stands twice among its images or categories")
    if not named:
        raise DataError(f"{path} has no categories, so there is nothing to detect")
    drawn: dict[Any, list[Entry]] = {}
    crowded: dict[Any, list[Entry]] = {}
    crowds = strangers = 0
    for entry in _entries(content, "annotations", ("image_id", "category_id"), path):
        crowds += bool(entry.get("iscrowd"))
        strangers += entry["image_id"] not in known
        if entry["image_id"] in known:
            (crowded if entry.get("iscrowd") else drawn).setdefault(entry["image_id"], []).append(entry)
    notes = []
    if crowds:
        notes.append(f"{path.name}: {crowds:,} crowds are left out")
    if strangers:
        notes.append(f"{path.name}: {strangers:,} annotations are of samples that it does not list and are left out")
    ordered = sorted(named, key=lambda entry: (isinstance(entry["id"], str), entry["id"]))
    categories = {entry["id"]: str(entry["name"]) for entry in ordered}
    return CocoFile(path, part_of(path), listed, drawn, crowded, categories, tuple(notes))


def _is_coco(content: Any) -> bool:
    return isinstance(content, dict) and all(isinstance(content.get(key), list) for key in KEYS)


def _entries(content: Entry, key: str, needed: Sequence[str], path: Path) -> Sequence[Entry]:
    for number, entry in enumerate(content[key]):
        if not isinstance(entry, dict) or not all(isinstance(entry.get(name), int | str) for name in needed):
            raise DataError(f"{path}: {key}[{number}] must have {' and '.join(needed)}")
    return list(content[key])


def recognised(file: Path) -> bool | None:
    """Whether a file is one of COCO's; None where it cannot be told, being no valid JSON."""
    try:
        return _is_coco(json.loads(file.read_bytes()))
    except (ValueError, RecursionError):
        return None


def part_of(path: Path) -> int:
    """Index into `PARTS`, as the name of the file or of its folder says."""
    words = [path.parent.name.lower()] if path.name == EXPORTED else re.split(r"[^a-z]+", path.stem.lower())
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), NO_PART)
