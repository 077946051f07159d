"""Series in one table, a row a step: a column says which series it belongs to, and perhaps another which part."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from tacit import interrupt
from tacit.data.lines import Cells, ending, rows, whole
from tacit.data.listing import Longs, NamesBuilder, Source, fingerprint, printable, stamp
from tacit.data.one_series import MARKS, OneSeries, text_in
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
from tacit.data.timed import evenly
from tacit.errors import DataError
from tacit.modalities.grid import MOST, Even, Every
from tacit.modalities.stamps import SERIES_COLUMNS, TIME_COLUMNS


def is_long(columns: list[str]) -> bool:
    """Whether a table of these columns holds series, one or many, a row a step: a column says when each was."""
    names = {name.strip().lower() for name in columns}
    return bool(names & set(TIME_COLUMNS)) and not names & set(PATH_COLUMNS)


def open_long(path: Path) -> Source:
    """The series of a table, each an array float64 `[L, C]` in the order of its times, NaN where a value is missing.

    Known columns: `series` or `id`, without which all rows are one series; `time`, `timestamp`, `date` or `datetime`;
    if present `label`, `group`, `fold`, one of each a series, `split`, and `anomaly` (0 or 1, empty for 0). All others
    are channels. A series whose rows say more than one split is a sample a part, each a stretch of time. A series with
    a damaged row, two labels or parts that overlap in time is a sample that cannot be read; so is one with two rows of
    one time, unless rows are brought to even steps (`Source.even`). Raises `DataError` where columns contradict each
    other or the table is too large.
    """
    found: dict[str, OneSeries] = {}
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
        name = text_in(cells[known["series"]]) if "series" in known else path.name
        if not name:
            nameless.append(number)
            continue
        cells_read += len(channels)
        if cells_read > MOST:
            raise DataError(f"{printable(str(path))} holds more than {MOST:,} values: write a file a series, or arrays")
        found.setdefault(name, OneSeries()).add(number, cells, known, channels)
    if not found:
        raise DataError(f"{printable(str(path))} has no row that names a series: there is nothing to read")
    if nameless:
        some = ", ".join(map(str, nameless[:5])) + (", ..." if len(nameless) > 5 else "")
        notes.append(f"{printable(str(path))}: {len(nameless):,} rows name no series or are cut short (rows {some})")
    return _source(path, found, tuple(notes), marked=MARKS in known)


_Held = list[tuple[OneSeries, str | None]]
"""Of each sample its series, and which part of it; None for all."""


def _source(path: Path, found: Mapping[str, OneSeries], notes: tuple[str, ...], *, marked: bool) -> Source:
    builder, codes = NamesBuilder(1 + len(EXTRA_COLUMNS)), {extra: Codes() for extra in EXTRA_COLUMNS}
    held: _Held = []
    for number, (name, series) in enumerate(found.items()):
        divided, parts = len(set(series.splits)) > 1, series.parts()
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

    def steps(row: int) -> Longs:
        series, part = held[row]
        return series.steps(part)

    source = Source(
        title=str(path),
        names=names,
        read=lambda row: held[row][0].matrix()[steps(row)],
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
        times=lambda row: [held[row][0].times[step] for step in steps(row)],
        marks=(lambda row: held[row][0].marked()[steps(row)]) if marked else None,
        notes=notes,
    )
    return replace(source, even=lambda every: _evened(source, held, Every.of(every)))


def _evened(source: Source, held: _Held, every: Every) -> Source:
    """The same samples at even steps."""

    def even(row: int) -> Even:
        series, part = held[row]
        return series.even(part, every)

    return replace(
        source,
        read=lambda row: even(row).values,
        fingerprint=evenly(source.fingerprint, every),
        times=lambda row: even(row).times(),
        marks=(lambda row: even(row).marks) if source.marks else None,
        even=None,
    )


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
