"""Pascal VOC: JPEGImages/, an XML file a sample in Annotations/, lists of names in ImageSets/Main/."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tacit import interrupt
from tacit.data.annotation import Boxes
from tacit.data.boxes import Drawn, annotated_source, boxes_of
from tacit.data.listing import NO_PART, PARTS, Source, number_classes, printable, read_file, suffix
from tacit.errors import DataError, Unreadable

SAMPLES, ANNOTATIONS, LISTS = "JPEGImages", "Annotations", Path("ImageSets") / "Main"
EDGES = ("xmin", "ymin", "xmax", "ymax")

_Raw = tuple[list[str], list[list[float]], int, int]
"""Class names, corners, width, height."""


def open_voc(path: Path, suffixes: frozenset[str]) -> Source | None:
    """The set in the folder `path` or in the one folder of this layout below it; None where there is none.

    Edges are taken as they are written. The lists `train`, `val`, `test` in ImageSets/Main give the split, and
    `trainval` is for training where the first two say nothing. Raises `DataError`.
    """
    root = _root(path)
    if root is None:
        return None
    files = {file.stem: file for file in sorted((root / SAMPLES).iterdir()) if suffix(file.name) in suffixes}
    parts = _parts(root)
    read: dict[str, _Raw | str | None] = {}
    for stem in sorted({*files, *parts}):
        interrupt.check()
        read[stem] = _annotation(root / ANNOTATIONS / f"{stem}.xml")
    named = [raw[0] for raw in read.values() if isinstance(raw, tuple)]
    _, classes = number_classes([name for names in named for name in names])
    codes = {name: code for code, name in enumerate(classes)}
    drawn = [
        Drawn(
            f"{SAMPLES}/{files[stem].name if stem in files else f'{stem}.jpg'}",
            parts.get(stem, NO_PART),
            _boxes(raw, codes) if isinstance(raw, tuple) else raw,
        )
        for stem, raw in read.items()
    ]
    return annotated_source(str(path), root, drawn, classes, suffixes)


def _root(path: Path) -> Path | None:
    with os.scandir(path) as entries:  # knows folders from files: a look at each of a million files takes long
        nested = (entry for entry in entries if entry.is_dir(follow_symlinks=False) or entry.is_symlink())
        below = sorted(path / entry.name for entry in nested)
    found = [root for root in (path, *below) if (root / SAMPLES).is_dir() and (root / ANNOTATIONS).is_dir()]
    return found[0] if len(found) == 1 or path in found else None


def _parts(root: Path) -> dict[str, int]:
    """Name -> index into `PARTS`, from the lists there are."""
    listed = {part: _names(root / LISTS / f"{part}.txt") for part in (*PARTS, "trainval")}
    found = dict.fromkeys(listed["trainval"], 0)
    placed: dict[str, str] = {}
    for code, part in enumerate(PARTS):
        for name in listed[part]:
            if placed.setdefault(name, part) != part:
                raise DataError(
                    f"{root / LISTS}: {printable(name)} stands in {placed[name]}.txt and in {part}.txt: "
                    "keep it in one of them, or what is learnt of it would be tested on it"
                )
            found[name] = code
    return found


def _names(path: Path) -> list[str]:
    if not path.is_file():
        return []
    return [line.strip() for line in path.read_text("utf-8-sig", "surrogateescape").splitlines() if line.strip()]


def _annotation(path: Path) -> _Raw | str | None:
    """What the XML file says, why it cannot be read, or None where there is no file."""
    from defusedxml import DefusedXmlException, ElementTree

    try:
        content = read_file(path)
        # an empty file is how several tools write that nothing is there
        return _parse(ElementTree.fromstring(content)) if content.strip() else ([], [], 0, 0)
    except FileNotFoundError:
        return None
    except DefusedXmlException as error:
        return f"{path.name} holds {type(error).__name__.removesuffix('Forbidden')} declarations, which are refused"
    except (ElementTree.ParseError, UnicodeError) as error:
        return f"{path.name} is no valid XML: {error}"
    except Unreadable as error:
        return f"{path.name}: {error}"
    except OSError as error:
        return f"{path.name}: {(error.strerror or str(error)).lower()}"


def _parse(tree: Any) -> _Raw:
    names, corners = [], []
    for number, thing in enumerate(tree.iter("object"), 1):
        name = (thing.findtext("name") or "").strip()
        if not name:
            raise Unreadable(f"object {number} has no name")
        names.append(name)
        corners.append([_number(thing, f"bndbox/{edge}", f"object {number}") for edge in EDGES])
    sized = tree.find("size") is not None
    width, height = (int(_number(tree, f"size/{side}", "it")) if sized else 0 for side in ("width", "height"))
    return names, corners, width, height


def _number(element: Any, place: str, what: str) -> float:
    text = (element.findtext(place) or "").strip()
    try:
        value = float(text)
    except ValueError:
        raise Unreadable(f"{what}: {place} is {text[:20]!r}, not a number") from None
    if not abs(value) < 1e9:
        raise Unreadable(f"{what}: {place} is {text[:20]!r}, no coordinate")
    return value


def _boxes(raw: _Raw, codes: Mapping[str, int]) -> Boxes:
    names, corners, width, height = raw
    return boxes_of(corners, [codes[name] for name in names], width, height)
