"""`.ts`, the format of the UCR and UEA archives: a head of facts, then a line a series."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tacit import interrupt
from tacit.data.listing import NO_PART, SPLIT_NAMES, NamesBuilder, Source, fingerprint, printable, stamp
from tacit.data.table import Codes, labels_of
from tacit.errors import DataError, Unreadable

MAX_LINE = 256 * 2**20
_MISSING = ("?", "nan", "")
_PART = re.compile(r"(?i)^(.*?)[-_]?(train|val|valid|validation|test)$")


@dataclass(frozen=True)
class _Head:
    """What the head of a file says. `start`: where the first series begins."""

    start: int
    line: int
    dimensions: int | None
    labelled: bool
    classes: frozenset[str]
    """The classes it names; empty where labels are numbers, or none are named."""


def open_ts(title: str, paths: Sequence[Path]) -> Source:
    """The series of `paths`, read one by one: arrays float64 `[L, C]`, NaN where a value is missing.

    `NAME_TRAIN.ts` and `NAME_TEST.ts` together are the published split. Labels are those of `@classLabel`, or the
    numbers of `@targetlabel`, whichever the head announces. Lines that are no series are samples that cannot be read.
    Raises `DataError` for files of several problems, a damaged head, and series with time stamps.
    """
    problems: dict[str, None] = {}
    parts = []
    for path in paths:
        match = _PART.match(path.stem)
        problems[os.fspath(path.parent / (match[1] if match else path.stem))] = None
        parts.append(SPLIT_NAMES[match[2].lower()] if match else NO_PART)
    if len(problems) > 1:
        some = ", ".join(printable(Path(name).name) for name in list(problems)[:5])
        raise DataError(
            f"{printable(title)} holds the series of {len(problems)} problems ({some}): give one of them, as "
            f"'{printable(next(iter(problems)))}_{{TRAIN,TEST}}.ts', or the name of a file"
        )
    builder, codes = NamesBuilder(4), Codes()
    heads = []
    for number, path in enumerate(paths):
        heads.append(_list(path, number, builder, codes, many=len(paths) > 1))
    names, (file, start, size, label) = builder.finish()
    if len(names) == 0:
        raise DataError(f"{printable(title)} has no series behind @data: there is nothing to read")
    labels, classes = labels_of(label, codes)

    def read(row: int) -> np.ndarray:
        with paths[file[row]].open("rb") as opened:
            opened.seek(int(start[row]))
            return _series(opened.read(int(size[row])), heads[file[row]])

    told = np.array(parts, np.int8)[file]
    return Source(
        title=title,
        names=names,
        read=read,
        fingerprint=fingerprint("ts", names, np.array([stamp(path.stat()) for path in paths]).ravel()),
        labels=labels,
        classes=classes,
        splits=told if len(set(parts)) > 1 else None,
    )


def _list(path: Path, number: int, builder: NamesBuilder, codes: Codes, *, many: bool) -> _Head:
    """Where the series of a file begin, how long their lines are, and their labels."""
    with path.open("rb") as file:
        head = _head(path, file.readline)
        file.seek(head.start)
        position, line = head.start, head.line
        while text := file.readline(MAX_LINE + 1):
            interrupt.check()
            if len(text) > MAX_LINE:
                raise DataError(f"{printable(str(path))}: line {line} is longer than {MAX_LINE // 2**20} MiB")
            if text.strip() and not text.lstrip().startswith(b"#"):
                label = text.rpartition(b":")[2].strip().decode(errors="replace") if head.labelled else ""
                known = label.lower() not in _MISSING and (not head.classes or label in head.classes)
                name = f"{path.stem}:{line}" if many else f"{line}"
                builder.add(os.fsencode(name), number, position, len(text), codes.of(label if known else ""))
            position, line = position + len(text), line + 1
    return head


def _head(path: Path, readline: Callable[[int], bytes]) -> _Head:
    """The facts up to `@data`. Raises `DataError` where there is no such line, or a fact that cannot be."""
    facts: dict[str, list[str]] = {}
    position = line = 0
    while text := readline(2**20):
        position, line = position + len(text), line + 1
        words = text.removeprefix(b"\xef\xbb\xbf").strip().decode(errors="replace").split()
        if not words or words[0].startswith("#"):
            continue
        if not words[0].startswith("@"):
            break
        name = words[0][1:].lower()
        if name == "data":
            return _checked(path, facts, position, line + 1)
        facts[name] = words[1:]
    raise DataError(
        f"{printable(str(path))} has no line @data, so it holds no series: a .ts of the UCR and UEA archives begins "
        "with facts such as @problemName, then @data, then a line a series"
    )


def _checked(path: Path, facts: dict[str, list[str]], start: int, line: int) -> _Head:
    def told(*names: str) -> list[str]:
        return next((facts[name] for name in names if name in facts), [])

    def yes(*names: str) -> bool:
        return told(*names)[:1] in (["true"], ["True"], ["TRUE"])

    if yes("timestamps"):
        raise DataError(
            f"{printable(str(path))} says @timeStamps true: series as (time,value) pairs are not read yet. Write a "
            "table with the columns series, time and one a channel, and a column label"
        )
    dimensions = 1 if yes("univariate") else None
    given = told("dimensions", "dimension")
    if given:
        if not given[0].isdecimal() or not int(given[0]):
            raise DataError(f"{printable(str(path))}: @dimension {given[0]!r} is no number of channels")
        dimensions = int(given[0])
    classes = told("classlabel")[1:] if yes("classlabel") else []
    return _Head(start, line, dimensions, yes("classlabel") or yes("targetlabel"), frozenset(classes))


def _series(line: bytes, head: _Head) -> np.ndarray:
    """A line as an array `[L, C]`. Raises `Unreadable`."""
    try:
        cells = line.decode().strip().split(":")
    except UnicodeDecodeError as error:
        raise Unreadable(f"no UTF-8 at byte {error.start:,} of its line") from None
    label = cells.pop().strip() if head.labelled else ""
    if head.classes and label not in head.classes and label.lower() not in _MISSING:
        raise Unreadable(f"its label {label!r} is none of those that @classLabel names")
    if not cells or (head.dimensions is not None and len(cells) != head.dimensions):
        raise Unreadable(f"{len(cells)} channels, where the head of the file says {head.dimensions or 'some'}")
    channels = [[_value(text, place) for text in cell.split(",")] for place, cell in enumerate(cells, 1)]
    lengths = sorted({len(channel) for channel in channels})
    if len(lengths) > 1:
        raise Unreadable(f"its channels have {lengths[0]} to {lengths[-1]} values: give all the same number")
    return np.array(channels).T


def _value(text: str, channel: int) -> float:
    text = text.strip()
    if text.lower() in _MISSING:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        raise Unreadable(f"channel {channel}: {text[:40]!r} is no number") from None
