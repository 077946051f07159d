"""Series as they lie in files of their own: a row a step, a column a channel."""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from tacit import interrupt
from tacit.core import Raw
from tacit.errors import Unreadable
from tacit.modalities.grid import MOST, Even, Every, evened
from tacit.modalities.stamps import SERIES_COLUMNS, TIME_COLUMNS, in_order, instants, moments, time_column

Values = npt.NDArray[np.float32]
TABLES = (".csv", ".tsv", ".txt", ".parquet")
SUFFIXES = frozenset({".ts", ".npy", *TABLES})
MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})
"""What stands in a cell without a value, in lower case."""
LARGEST = 1e15
"""Values beyond this have squares that no float32 holds."""
_HEAD = 2**16  # bytes in which the facts of a .ts file stand
_NUMPY, _PARQUET = b"\x93NUMPY", b"PAR1"


@dataclass(frozen=True, eq=False)
class Rows:
    """What a file holds: rows in their own order, and when each was."""

    values: npt.NDArray[Any]
    """`[R]` or `[R, C]`."""
    when: Sequence[object] = ()
    """`[R]`, as it is written; empty where the file does not say."""
    numbers: Sequence[int] = ()
    """`[R]`, the number of each row in the file."""

    def order(self) -> npt.NDArray[np.int64] | slice:
        """Of the rows by time. Raises `Unreadable` where two are at one time."""
        return in_order(moments(self.when, self.numbers), self.numbers) if self.when else slice(None)


def decode(raw: Raw, every: str | None = None) -> Values:
    """A series, float32 `[L, C]`, NaN where a value is missing; from an array `[L]` or `[L, C]`, or a file's bytes.

    Files are numpy's, Parquet, or text: cells separated by commas, semicolons, tabs or spaces, with or without a line
    of names. A column called `time`, `timestamp`, `date` or `datetime` puts the rows in order and is no channel; by
    `every` they are brought to even steps (see `even`), at which an array is taken to be. Raises `Unreadable`.
    """
    if isinstance(raw, np.ndarray):
        return checked(raw)
    if every is not None:
        return even(raw, Every.of(every)).values
    found = _rows(raw)
    return checked(found.values[found.order()])


def even(raw: Raw, every: Every) -> Even:
    """The series in a file, its rows brought to the steps of `every`. Raises `Unreadable`, as where it has no times."""
    found = Rows(raw) if isinstance(raw, np.ndarray) else _rows(raw)
    if not found.when:
        raise Unreadable(
            f"it has no times, and modality.every={every} needs them: give tables with a column "
            f"{', '.join(TIME_COLUMNS[:-1])} or {TIME_COLUMNS[-1]}, or leave modality.every out"
        )
    checked(found.values)
    when = instants(found.when, found.numbers)
    return evened(found.values, every.bins(when, found.numbers), every, when.kind)


def written_times(raw: Raw) -> Sequence[object]:
    """When the steps of a series were, in order, as its file writes it; empty where it does not."""
    if isinstance(raw, np.ndarray) or not (found := _rows(raw)).when:
        return ()
    return [found.when[row] for row in np.arange(len(found.when))[found.order()]]


def _rows(raw: bytes) -> Rows:
    if not raw.strip():
        raise Unreadable("an empty file")
    if b"@data" in raw[:_HEAD].lower():
        raise Unreadable("a .ts file holds many series: give it, or its folder, as DATA, not in a list or an archive")
    if raw.startswith(_NUMPY):
        return Rows(_array(raw))
    return _table(*(_parquet(raw) if raw.startswith(_PARQUET) else _text(raw)))


def checked(found: npt.NDArray[np.generic]) -> Values:
    """An array `[L]` or `[L, C]` as float32 `[L, C]`. Raises `Unreadable` where it is no series."""
    if found.ndim not in (1, 2) or 0 in found.shape or found.dtype.kind not in "fiub":
        raise Unreadable(f"an array of shape {found.shape} and type {found.dtype}, where steps x channels are expected")
    if found.size > MOST:
        raise Unreadable(f"{found.size:,} values, more than the limit of {MOST:,} a series")
    values = found.reshape(len(found), -1).astype(np.float64)
    known = ~np.isnan(values)
    if not known.any():
        raise Unreadable("no step has a value: all are missing")
    if np.abs(values[known]).max() > LARGEST:
        raise Unreadable(f"it holds infinity, or numbers beyond {LARGEST:g}")
    return values.astype(np.float32)


def _array(raw: bytes) -> npt.NDArray[np.generic]:
    file = io.BytesIO(raw)
    try:
        version = np.lib.format.read_magic(file)
        heads = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = heads[version](file)
        if math.prod(shape) * dtype.itemsize > len(raw) - file.tell():
            raise Unreadable(f"cut off: its header promises an array of shape {list(shape)}")
        file.seek(0)
        found: npt.NDArray[np.generic] = np.load(file, allow_pickle=False)
    except (ValueError, EOFError, OSError, KeyError) as error:
        raise Unreadable(f"no array: {error}") from None
    return found


Columns = tuple[list[str], Iterable[Sequence[object]], int]
"""Names (none where the file has none), rows of cells, and the number of the first row."""


def _text(raw: bytes) -> Columns:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"no UTF-8 at byte {error.start:,}") from None
    if "\0" in text[:1000]:
        raise Unreadable("no table, but something binary")
    lines = text.splitlines()
    if not lines:
        raise Unreadable("an empty file")
    sign = max(",;\t", key=lines[0].count)
    rows: Iterator[list[str]] = (line.split() for line in lines)
    if sign in lines[0]:
        rows = csv.reader(lines, delimiter=sign)
    first = next(rows, [])
    if all(map(_is_number, first)):
        return [], chain([first], rows), 1
    return [cell.strip() for cell in first], rows, 2


def _is_number(cell: str) -> bool:
    return cell.strip().lower() in MISSING or _float(cell) is not None


def _float(cell: object) -> float | None:
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _parquet(raw: bytes) -> Columns:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(raw))
        if file.metadata.num_rows * file.metadata.num_columns > MOST:
            raise Unreadable(f"more than the limit of {MOST:,} values a series")
        table = file.read(use_threads=False)
    except (pyarrow.ArrowException, OSError) as error:
        raise Unreadable(f"no Parquet: {' '.join(str(error).split())[:120]}") from None
    columns = [column.to_pylist() for column in table.columns]
    return list(table.column_names), zip(*columns, strict=True), 1


def _table(header: list[str], rows: Iterable[Sequence[object]], first: int) -> Rows:
    """Rows of cells as numbers. Raises `Unreadable`."""
    time = time_column(header)
    if time is not None and {name.lower() for name in header} & set(SERIES_COLUMNS):
        raise Unreadable("a table of many series, and one was expected: give the table itself as DATA")
    values: array[float] = array("d")
    times: list[object] = []
    numbers: list[int] = []
    names: Sequence[object] = header
    try:
        for number, cells in enumerate(rows, first):
            if not cells:
                continue  # an empty line
            names = names or range(1, len(cells) + 1)
            if len(cells) != len(names):
                raise Unreadable(f"row {number} has {len(cells)} cells, and others have {len(names)}")
            if len(values) + len(cells) > MOST:
                raise Unreadable(f"more than the limit of {MOST:,} values a series")
            values.extend(
                number_in(cell, number, name) for cell, name in zip(cells, names, strict=True) if name != time
            )
            times += [cell for cell, name in zip(cells, names, strict=True) if name == time]
            numbers.append(number)
            if number % 10_000 == 0:
                interrupt.check()
    except csv.Error as error:
        raise Unreadable(f"no table: {error}") from None
    if not values:
        raise Unreadable("it has no step, or no channel beside a column of times")
    return Rows(np.frombuffer(values).reshape(len(numbers), -1), times, numbers)


def number_in(cell: object, row: int, column: object) -> float:
    """The number in a cell; NaN where it is missing. Raises `Unreadable` for anything else."""
    if cell is None or (isinstance(cell, str) and cell.strip().lower() in MISSING):
        return math.nan
    found = _float(cell)
    if found is None:
        raise Unreadable(f"row {row}, column {column}: {str(cell)[:40]!r} is no number")
    return found
