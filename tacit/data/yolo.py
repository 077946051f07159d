"""YOLO text: images/ and labels/ with a line `class x y width height` a box, and data.yaml or classes.txt."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tacit import interrupt
from tacit.config import read_yaml
from tacit.data.annotation import Boxes
from tacit.data.boxes import Drawn, annotated_source, boxes_of
from tacit.data.listing import NO_PART, SPLIT_NAMES, Source, printable, read_file, suffix
from tacit.errors import DataError, Unreadable, UsageError

CONFIGS = ("data.yaml", "data.yml", "dataset.yaml")
LISTS = ("classes.txt", "labels/classes.txt")
SAMPLES, LABELS = "images", "labels"
_FARTHEST = 2.0
"""No box of fractions lies farther out; larger numbers are cells."""


def open_yolo(path: Path, suffixes: frozenset[str]) -> Source | None:
    """The set in the folder `path`: with a data.yaml that has `names`, or images/, labels/ and classes.txt; else None.

    Coordinates are fractions of the sample, x and y of the box's centre. An empty label file says that nothing is
    there, a missing one that nobody looked. Raises `DataError`.
    """
    config = next((path / name for name in CONFIGS if (path / name).is_file()), None)
    if config is not None:
        values = _read(config)
        if "names" not in values:
            return None
        classes = _classes(values["names"], config)
        parts = _configured(path, values, config, suffixes)
    else:
        listed = next((path / name for name in LISTS if (path / name).is_file()), None)
        if listed is None or not all((path / name).is_dir() for name in (SAMPLES, LABELS)):
            return None
        lines = listed.read_text("utf-8-sig", "replace").splitlines()
        classes = tuple(line.strip() for line in lines if line.strip())
        parts = {file: _part_of(file, path) for file in _files(path / SAMPLES, suffixes)}
        if not any(_label_file(file, path).is_file() for file in parts):
            return None  # labels/ may hold masks
    drawn = []
    for file, part in parts.items():
        interrupt.check()
        drawn.append(Drawn(os.path.relpath(file, path), part, _boxes(_label_file(file, path), classes)))
    return annotated_source(str(path), path, drawn, classes, suffixes)


def _read(config: Path) -> dict[str, Any]:
    try:
        return read_yaml(config.read_text("utf-8", "replace"), str(config))
    except UsageError as error:
        raise DataError(str(error)) from None


def _classes(names: Any, config: Path) -> tuple[str, ...]:
    """From a list, or from a mapping of 0, 1, 2, ... to names."""
    if (
        isinstance(names, Mapping)
        and sorted(map(str, names), key=len)
        and all(names.get(number, names.get(str(number))) is not None for number in range(len(names)))
    ):
        names = [names.get(number, names.get(str(number))) for number in range(len(names))]
    if not isinstance(names, Sequence) or isinstance(names, str) or not names:
        raise DataError(f"{config}: 'names' must be a list of class names, or a mapping of 0, 1, 2, ... to them")
    return tuple(map(str, names))


def _configured(path: Path, values: Mapping[str, Any], config: Path, suffixes: frozenset[str]) -> dict[Path, int]:
    """File of each sample -> index into `PARTS`, from the folders and lists that data.yaml names."""
    found: dict[Path, int] = {}
    for part in ("train", "val", "valid", "test"):
        entries = values.get(part) or []
        for entry in [entries] if isinstance(entries, str) else entries:
            place = _place(path, str(values.get("path") or ""), str(entry))
            if place is None:
                raise DataError(f"{config}: {part} is {entry!r}, and there is no such folder or list beside it")
            for file in _files(place, suffixes) if place.is_dir() else _listed(place):
                if found.setdefault(file, SPLIT_NAMES[part]) != SPLIT_NAMES[part]:
                    raise DataError(f"{config}: {printable(file.name)} stands in {part} and in another part")
    if not found:
        raise DataError(f"{config} names no samples: give train, val or test, each a folder of them")
    return found


def _place(path: Path, base: str, entry: str) -> Path | None:
    """Where `entry` is. Exported sets often name folders as they lay elsewhere, so less of the path is tried too."""
    tried = (path / base / entry, path / entry, path / entry.removeprefix("../"), path.parent / entry)
    return next((place.resolve() for place in tried if place.exists()), None)


def _files(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if suffix(file.name) in suffixes and not file.name.startswith("."))


def _listed(path: Path) -> list[Path]:
    lines = path.read_text("utf-8-sig", "surrogateescape").splitlines()
    return [path.parent / line.strip() for line in lines if line.strip()]


def _part_of(file: Path, root: Path) -> int:
    """The part that the first folder below images/ names."""
    folders = file.relative_to(root / SAMPLES).parts[:-1]
    return SPLIT_NAMES.get(folders[0].lower(), NO_PART) if folders else NO_PART


def _label_file(file: Path, root: Path) -> Path:
    """images/a/b.jpg -> labels/a/b.txt, the last `images` being replaced; beside the sample where there is none."""
    parts = list(file.with_suffix(".txt").parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == SAMPLES:
            parts[place] = LABELS
            break
    return Path(*parts)


def _boxes(path: Path, classes: Sequence[str]) -> Boxes | str | None:
    try:
        lines = read_file(path).decode("utf-8-sig").splitlines()
        rows = [_row(number, line, classes) for number, line in enumerate(lines, 1) if line.strip()]
        return boxes_of([corners for _, corners in rows], [label for label, _ in rows], 1, 1)
    except FileNotFoundError:
        return None
    except (Unreadable, UnicodeError) as error:
        return f"{path.name}: {error}"
    except OSError as error:
        return f"{path.name}: {(error.strerror or str(error)).lower()}"


def _row(number: int, line: str, classes: Sequence[str]) -> tuple[int, list[float]]:
    words = line.split()
    if len(words) != 5:
        raise Unreadable(f"line {number} has {len(words)} words, expected 'class x y width height'")
    try:
        label, (x, y, width, height) = int(words[0]), map(float, words[1:])
    except ValueError:
        raise Unreadable(f"line {number} is {line.strip()[:40]!r}, expected five numbers") from None
    if not 0 <= label < len(classes):
        raise Unreadable(f"line {number} is of class {label}, and there are {len(classes)} names, counted from 0")
    if not all(abs(value) <= _FARTHEST for value in (x, y, width, height)):
        raise Unreadable(f"line {number} holds {line.strip()[:60]!r}: coordinates are fractions of the sample, 0 to 1")
    return label, [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
