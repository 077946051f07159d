"""A list of files: .csv or .tsv with columns, or a .txt with one path a line."""

from __future__ import annotations

import csv
import difflib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tacit import interrupt
from tacit.data.annotation import Annotations
from tacit.data.listing import (
    PARTS,
    SPLIT_NAMES,
    Ints,
    Names,
    NamesBuilder,
    Source,
    fingerprint,
    is_file,
    number_classes,
    printable,
    read_file,
    stamp,
    suffix,
)
from tacit.errors import DataError, nearest

PATH_COLUMNS = ("path", "file", "filename", "image")
EXTRA_COLUMNS = ("label", "split", "group", "fold")
TRANSCRIPT = "transcript"
"""The column of what is said in a recording."""


class Transcripts:
    """What is said in each recording of a list; an empty text: nobody wrote it down."""

    def __init__(self) -> None:
        self._texts = NamesBuilder(0)

    def add(self, text: str) -> None:
        """One more recording; spaces that follow each other are one."""
        self._texts.add(os.fsencode(" ".join(text.split())))

    def finish(self) -> Annotations | None:
        """The transcripts of all recordings; None where there are none."""
        texts, _ = self._texts.finish()
        present = np.diff(texts.ends, prepend=0) > 0
        return Annotations("transcripts", (), texts.__getitem__, present) if present.any() else None


class Codes:
    """Numbers texts by first appearance; an empty text is -1."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        """`known`: texts that have their numbers already, in order."""
        self.known = {text: number for number, text in enumerate(known)}

    def of(self, text: str) -> int:
        """The number of `text`."""
        return self.known.setdefault(text, len(self.known)) if text else -1


def open_table(path: Path, suffixes: frozenset[str]) -> Source:
    """The files that a list names, relative to the list's folder, in the order of the list.

    Columns: `path` (or `file`, `filename`, `image`, or the only one), and if present `label`, `split`, `group`, `fold`
    and `transcript`; empty cells mean none. Raises `DataError`.
    """
    builder = NamesBuilder(4 + len(EXTRA_COLUMNS))
    codes = {column: Codes() for column in EXTRA_COLUMNS}
    reasons, transcripts = Codes(), Transcripts()
    notes: list[str] = []
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        try:
            for name, extras in paths_and_columns(path, file, suffixes, notes):
                interrupt.check()
                encoded = os.fsencode(name)
                marks, reason = look(path.parent / name, suffixes)
                numbers = [codes[column].of(extras.get(column, "")) for column in EXTRA_COLUMNS]
                builder.add(encoded, *marks, *numbers, reasons.of(reason))
                transcripts.add(extras.get(TRANSCRIPT, ""))
        except csv.Error as error:
            raise DataError(f"{path} is no valid table: {error}") from None
    names, (size, mtime, ctime, label, split, group, fold, refused) = builder.finish()
    labels, classes = labels_of(label, codes["label"])
    groups, group_names = grouped(group, codes["group"])
    folds, fold_names = grouped(fold, codes["fold"])
    reason_texts = list(reasons.known)
    return Source(
        title=str(path),
        names=names,
        read=lambda row: read_file(path.parent / names[row]),
        fingerprint=fingerprint("table", names, size, mtime, ctime),
        labels=labels,
        classes=classes,
        splits=splits_of(str(path), split, codes["split"]),
        groups=groups,
        group_names=group_names,
        folds=folds,
        fold_names=fold_names,
        refused={int(row): reason_texts[refused[row]] for row in np.flatnonzero(refused >= 0)},
        annotations=transcripts.finish(),
        notes=tuple(notes),
    )


def paths_and_columns(
    path: Path, file: Iterator[str], suffixes: frozenset[str], notes: list[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row's path and its extra columns."""
    if path.suffix.lower() == ".txt":
        for line in file:
            if line.strip():
                yield line.rstrip("\r\n"), {}
        return
    header, delimiter = header_of(path.name, next(file, ""))
    where = {name.strip().lower(): position for position, name in enumerate(header)}
    if any(suffix(cell.strip()) in suffixes for cell in header):
        if len(header) > 1:
            raise DataError(
                f"{path}: the first line must name the columns, such as path{delimiter}label; given {header}"
            )
        yield header[0], {}  # a bare list of paths
        where = {"path": 0}
    column = _path_column(path, where)
    notes += near_misses(str(path), where)
    wanted = (*EXTRA_COLUMNS, TRANSCRIPT)
    extras = {name: where[name] for name in wanted if name in where and where[name] != column}
    for cells in csv.reader(file, delimiter=delimiter):
        if column < len(cells) and cells[column]:
            yield cells[column], {name: cells[at].strip() for name, at in extras.items() if at < len(cells)}


def header_of(name: str, first: str) -> tuple[list[str], str]:
    """The cells of the `first` line of the table called `name`, and what separates them."""
    delimiter = max(",;\t", key=first.count) if name.lower().removesuffix(".gz").endswith(".csv") else "\t"
    return next(csv.reader([first], delimiter=delimiter), []), delimiter


def _path_column(path: Path, where: dict[str, int]) -> int:
    for name in PATH_COLUMNS:
        if name in where:
            return where[name]
    if len(where) == 1:
        return 0
    close = next((n for n in where if difflib.get_close_matches(n, PATH_COLUMNS, 1, 0.5)), next(iter(where), ""))
    raise DataError(
        f"{path} has no column of paths; its columns are {', '.join(map(printable, where)) or 'none'}. "
        f"{nearest(close, PATH_COLUMNS)}. A column that holds the samples themselves, as texts may, is named behind a "
        f"#, as in '{printable(path.name)}#{printable(close) or 'text'}'"
    )


def near_misses(title: str, columns: Iterable[str], *more: str, others: str = "not read") -> list[str]:
    """Notes on columns that look like misspelt ones; `more`: known names beside those of all tables; `others`: what
    columns are that are not known."""
    notes = []
    present, known = tuple(columns), (*EXTRA_COLUMNS, TRANSCRIPT, *more)
    for column in known:
        unused = [name for name in present if name not in (*known, *PATH_COLUMNS)]
        close = difflib.get_close_matches(column, unused, n=1, cutoff=0.7 if len(column) > 4 else 0.85)
        if column not in present and close:
            notes.append(f"{title}: column {close[0]!r} is {others}; rename it to {column!r} if that is meant")
    return notes


def look(path: Path, suffixes: frozenset[str]) -> tuple[tuple[int, int, int], str]:
    """What a file's status says: marks of change, and why it is not read (empty: it is)."""
    if suffix(path.name) not in suffixes:
        return (0, 0, 0), f"its name ends with none of {', '.join(sorted(suffixes))}"
    try:
        status = path.stat()
    except OSError as error:
        return (0, 0, 0), (error.strerror or str(error)).lower()
    except ValueError as error:  # a NUL in the name
        return (0, 0, 0), str(error)
    return stamp(status), "" if is_file(status) else "not an ordinary file"


def labels_of(numbers: npt.NDArray[np.int64], codes: Codes) -> tuple[Ints, tuple[str, ...]]:
    """Numbers by first appearance -> numbers in the order of the classes."""
    order, classes = number_classes(list(codes.known))
    return np.append(order, np.int32(-1))[numbers], classes


def splits_of(title: str, numbers: npt.NDArray[np.int64], codes: Codes) -> npt.NDArray[np.int8] | None:
    """Numbers by first appearance -> numbers of parts; None where there are none. Raises `DataError`."""
    if not codes.known:
        return None
    parts = [part_called(title, name) for name in codes.known]
    return np.array([*parts, -1], np.int8)[numbers]


def part_called(title: str, name: str) -> int:
    """The number, among `PARTS`, of the part that a column `split` calls so. Raises `DataError`."""
    if name.lower() not in SPLIT_NAMES:
        raise DataError(f"{title}: no split is called {printable(name)!r}; {nearest(name.lower(), PARTS)}")
    return SPLIT_NAMES[name.lower()]


def grouped(numbers: npt.NDArray[np.int64], codes: Codes) -> tuple[Ints | None, Names | None]:
    """The groups or folds of all samples, `[N]`, and their names; None where the column says nothing."""
    return (numbers.astype(np.int32) if codes.known else None), group_names_of(codes)


def group_names_of(codes: Codes) -> Names | None:
    """The groups or folds in the order of their numbers; None where there are none."""
    builder = NamesBuilder(0)
    for name in codes.known:
        builder.add(os.fsencode(name))
    return builder.finish()[0] if codes.known else None
