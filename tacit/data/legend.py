"""Lists beside the data that say what masks mean: names of classes, and their colours."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tacit.data.annotation import Legend
from tacit.errors import DataError

COLOURS = (
    "colours.csv",
    "colours.json",
    "colours.txt",
    "colors.csv",
    "colors.json",
    "colors.txt",
    "class_dict.csv",
    "label_colors.txt",
    "labelmap.txt",
)
"""Files with a name and a colour a class, the first one that exists: with the columns name, r, g, b; `{"road": [128,
64, 128]}`; or a line a class such as `128 64 128 road`, `road 128 64 128`, `road:128,64,128::`."""
NAMES = "classes.txt"
"""A name a line: the first one is what the value 0 means."""

Entry = tuple[str, tuple[int, ...]]


def read_legend(folder: Path) -> Legend | None:
    """The legend in `folder`, None where there is none. Raises `DataError` where a file is there and makes no sense."""
    path = next((folder / name for name in COLOURS if (folder / name).is_file()), None)
    if path is not None:
        return _coloured(path)
    path = folder / NAMES
    if not path.is_file():
        return None
    names = [line.strip() for line in _text(path).splitlines() if line.strip()]
    _refuse_repeats(path, names, "name")
    return Legend(tuple(names))


def _coloured(path: Path) -> Legend:
    text = _text(path)
    read = {".csv": _from_csv, ".json": _from_json, ".txt": _from_lines}[path.suffix]
    try:
        entries = list(read(text))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, csv.Error) as error:
        raise DataError(
            f"{path} is no list of colours ({error}): give the columns name,r,g,b, or lines such as '128 64 128 road'"
        ) from None
    for name, colour in entries:
        if len(colour) != 3 or not all(0 <= part <= 255 for part in colour):
            raise DataError(f"{path}: the colour of {name!r} is {list(colour)}, expected three numbers from 0 to 255")
    colours = [red << 16 | green << 8 | blue for _, (red, green, blue) in entries]
    names = [name for name, _ in entries]
    _refuse_repeats(path, names, "name")
    _refuse_repeats(path, [f"#{colour:06x}" for colour in colours], "colour")
    return Legend(tuple(names), tuple(colours))


def _from_csv(text: str) -> Iterator[Entry]:
    for row in csv.DictReader(text.splitlines()):
        cells = {(key or "").strip().lower(): value for key, value in row.items() if isinstance(value, str)}
        name = cells.get("name") or cells.get("class") or cells["label"]
        yield name.strip(), tuple(int(cells.get(short) or cells[long]) for short, long in _CHANNELS)


_CHANNELS = (("r", "red"), ("g", "green"), ("b", "blue"))


def _from_json(text: str) -> Iterator[Entry]:
    content = json.loads(text)
    pairs: Any = content.items() if isinstance(content, dict) else [(one["name"], _colour(one)) for one in content]
    for name, colour in pairs:
        yield str(name), tuple(int(part) for part in colour)


def _colour(entry: Any) -> Any:
    return entry.get("colour") or entry.get("color") or entry["rgb"]


def _from_lines(text: str) -> Iterator[Entry]:
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = re.search(r"(?<!\S)(\d+)[\s,]+(\d+)[\s,]+(\d+)(?!\S)", line.replace(":", " "))
        if found is None:
            raise ValueError(f"no three numbers in {line.strip()[:40]!r}")
        plain = line.replace(":", " ")
        yield (plain[: found.start()] + plain[found.end() :]).strip(" \t,"), tuple(map(int, found.groups()))


def _text(path: Path) -> str:
    return path.read_text("utf-8-sig", "replace")


def _refuse_repeats(path: Path, values: Sequence[str], what: str) -> None:
    repeated = next((value for value in values if values.count(value) > 1), None)
    if repeated is not None:
        raise DataError(f"{path}: the {what} {repeated!r} stands twice")
    if not values:
        raise DataError(f"{path} is empty: it should say what the values or colours of the masks mean")
