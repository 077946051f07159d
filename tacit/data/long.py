"""Series in one table, a row a step: a column says which series it belongs to, and perhaps another which part."""

from __future__ import annotations

import csv
import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tacit import interrupt
from tacit.data.lines import Cells, ending, rows, whole
from tacit.data.listing import NamesBuilder, Source, fingerprint, printable, stamp
from tacit.data.table import (
    EXTRA_COLUMNS,
    PATH_COLUMNS,
    Codes,
    grouped,
    header_of,
    labels_of,
    near_misses,
    splits_of,
)
from tacit.errors import DataError, Unreadable
from tacit.modalities.stamps import SERIES_COLUMNS, TIME_COLUMNS, in_order, moments
from tacit.modalities.steps import MOST, number_in

_ONE_EACH = tuple(extra for extra in EXTRA_COLUMNS if extra != "split")
MARKS = "anomaly"
"""The column that says of a step whether something was wrong at it."""
_WORDS = {"true": 1, "false": 0}


@dataclass
class _Series:
    """What was read of one series."""

    values: array[float] = field(default_factory=lambda: array("d"))
    times: list[object] = field(default_factory=list)
    rows: array[int] = field(default_factory=lambda: array("q"))
    """The number of each step's row in the file, from 1."""
    splits: list[str] = field(default_factory=list)
    """What each step's row says of it."""
    marks: array[int] = field(default_factory=lambda: array("b"))
    """1 where a step is marked as an anomaly."""
    extras: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    """Why it cannot be read; the first that was met."""


def is_long(columns: list[str]) -> bool:
    """Whether a table of these columns holds series, one or many, a row a step: a column says when each was."""
    names = {name.strip().lower() for name in columns}
    return bool(names & set(TIME_COLUMNS)) and not names & set(PATH_COLUMNS)


def open_long(path: Path) -> Source:
    """The series of a table, each an array float64 `[L, C]` in the order of its times, NaN where a value is missing.

    Known columns: `series` or `id`, without which all rows are one series; `time`, `timestamp`, `date` or `datetime`;
    if present `label`, `group`, `fold`, one of each a series, `split`, and `anomaly` (0 or 1, empty for 0). All others
    are channels. A series whose rows say more than one split is a sample a part, each a stretch of time. A series with
    a damaged row, two rows of one time, two labels or parts that overlap in time is a sample that cannot be read.
    Raises `DataError` where columns contradict each other or the table is too large.
    """
    found: dict[str, _Series] = {}
    notes: list[str] = []
    nameless: list[int] = []
    known: dict[str, str] = {}
    cells_read = 0
    for number, cells in _rows(path):
        interrupt.check()
        if isinstance(cells, str):
            nameless.append(number)
            continue
        if not known:
            known = _known(path, list(cells))
            channels = [name for name in cells if name not in known.values()]
            notes += near_misses(str(path), [name.lower() for name in cells], MARKS, others="a channel")
        name = _text(cells[known["series"]]) if "series" in known else path.name
        if not name:
            nameless.append(number)
            continue
        cells_read += len(channels)
        if cells_read > MOST:
            raise DataError(f"{printable(str(path))} holds more than {MOST:,} values: write a file a series, or arrays")
        _add(found.setdefault(name, _Series()), number, cells, known, channels)
    if not found:
        raise DataError(f"{printable(str(path))} has no row that names a series: there is nothing to read")
    if nameless:
        some = ", ".join(map(str, nameless[:5])) + (", ..." if len(nameless) > 5 else "")
        notes.append(f"{printable(str(path))}: {len(nameless):,} rows name no series or are cut short (rows {some})")
    return _source(path, found, len(channels), tuple(notes), marked=MARKS in known)


def _source(path: Path, found: Mapping[str, _Series], channels: int, notes: tuple[str, ...], *, marked: bool) -> Source:
    builder, codes = NamesBuilder(1 + len(EXTRA_COLUMNS)), {extra: Codes() for extra in EXTRA_COLUMNS}
    held: list[tuple[_Series, str | None]] = []
    for number, (name, series) in enumerate(found.items()):
        divided, parts = len(set(series.splits)) > 1, _parts_of(series)
        for part in parts:
            extras = {**series.extras, "split": part}
            called = f"{name}:{part or 'rest'}" if divided else name
            told = (codes[extra].of(extras.get(extra, "")) for extra in EXTRA_COLUMNS)
            builder.add(os.fsencode(called), number, *told)
            held.append((series, part if divided else None))
    names, (whole, label, split, group, fold) = builder.finish()
    labels, classes = labels_of(label, codes["label"])
    groups, group_names = grouped(group, codes["group"])
    folds, fold_names = grouped(fold, codes["fold"])

    def steps(row: int) -> npt.NDArray[np.int64]:
        """The steps of a sample, in the order of time."""
        series, part = held[row]
        order = in_order(moments(series.times, series.rows), series.rows)
        return order if part is None else np.array([step for step in order if series.splits[step] == part])

    def read(row: int) -> np.ndarray:
        return np.frombuffer(held[row][0].values).reshape(-1, channels)[steps(row)]

    def when(row: int) -> list[object]:
        return [held[row][0].times[step] for step in steps(row)]

    def marks(row: int) -> npt.NDArray[np.bool_]:
        return np.frombuffer(held[row][0].marks, np.int8)[steps(row)] > 0

    return Source(
        title=str(path),
        names=names,
        read=read,
        fingerprint=fingerprint("long", names, np.array(stamp(path.stat()))),
        labels=labels,
        classes=classes,
        splits=splits_of(str(path), split, codes["split"]),
        groups=groups,
        group_names=group_names,
        folds=folds,
        fold_names=fold_names,
        refused={row: series.reason for row, (series, _) in enumerate(held) if series.reason},
        stretches=whole.astype(np.int32) if len(held) > len(found) else None,
        times=when,
        marks=marks if marked else None,
        notes=notes,
    )


def _parts_of(series: _Series) -> Sequence[str]:
    """The splits that its rows say, in the order of time. One that comes back is a reason not to read the series."""
    if len(set(series.splits)) < 2:
        return series.splits[:1] or [""]
    try:
        order = in_order(moments(series.times, series.rows), series.rows)
    except Unreadable as error:
        series.reason = series.reason or str(error)
        return list(dict.fromkeys(series.splits))
    runs = [order[0], *(step for before, step in pairwise(order) if series.splits[step] != series.splits[before])]
    told: list[str] = []
    for step in runs:
        if (part := series.splits[step]) in told:
            series.reason = series.reason or (
                f"row {series.rows[step]} is of the split {part!r} again, after later parts: a series is divided by "
                "time into one stretch a part"
            )
        else:
            told.append(part)
    return told


def _add(series: _Series, number: int, cells: Mapping[str, Any], known: Mapping[str, str], channels: list[str]) -> None:
    """One more step."""
    for extra in _ONE_EACH:
        told = _text(cells[known[extra]]) if extra in known else ""
        before = series.extras.setdefault(extra, told)
        if told != before:
            series.reason = series.reason or f"row {number} gives the {extra} {told!r}, and rows before it {before!r}"
    try:
        values = [number_in(cells[name], number, name) for name in channels]
        mark = _mark(cells[known[MARKS]], number) if MARKS in known else 0
    except Unreadable as error:
        series.reason = series.reason or str(error)
        return
    series.values.extend(values)
    series.marks.append(mark)
    series.times.append(cells[known["time"]])
    series.rows.append(number)
    series.splits.append(_text(cells[known["split"]]) if "split" in known else "")


def _known(path: Path, header: list[str]) -> dict[str, str]:
    """What is known -> its column as it is written. Raises `DataError` where two say the same or no channel is left."""
    known = {}
    for what, names in (
        ("series", SERIES_COLUMNS),
        ("time", TIME_COLUMNS),
        (MARKS, (MARKS,)),
        *((each, (each,)) for each in EXTRA_COLUMNS),
    ):
        have = [name for name in header if name.strip().lower() in names]
        if len(have) > 1:
            raise DataError(
                f"{printable(str(path))}: columns {' and '.join(map(printable, have))} both name the {what}: rename or "
                "drop all but one"
            )
        if have:
            known[what] = have[0]
    if len(known) == len(header):
        raise DataError(f"{printable(str(path))} has no column of values beside {', '.join(map(printable, header))}")
    return known


def _rows(path: Path) -> Iterator[tuple[int, Cells]]:
    """(number from 1, cells by column) of the rows; for one with more or fewer cells than columns a reason."""
    if ending(path) == ".parquet":
        return rows(path, lambda have: have)
    return whole(path, _table(path))


def _table(path: Path) -> Iterator[tuple[int, Cells]]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        header, delimiter = header_of(path.name, next(file, ""))
        try:
            for number, cells in enumerate(csv.reader(file, delimiter=delimiter), 2):
                if cells and len(cells) != len(header):
                    raise DataError(
                        f"{printable(str(path))}: row {number} has {len(cells)} cells, and the header {len(header)}: "
                        "every row needs a cell a column (decimals are written with a point)"
                    )
                if cells:
                    yield number, dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise DataError(f"{printable(str(path))} is no valid table: {error}") from None


def _mark(cell: object, row: int) -> int:
    """1 for an anomaly, 0 for none or an empty cell. Raises `Unreadable` for anything else."""
    told = _WORDS.get(cell.strip().lower()) if isinstance(cell, str) else None
    value = number_in(cell, row, MARKS) if told is None else told
    if value not in (0, 1) and value == value:
        raise Unreadable(f"row {row}, column {MARKS}: {value:g} is neither 0 nor 1")
    return int(value == 1)


def _text(value: Any) -> str:
    """A name, label, split or group as text; empty for none."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
