"""Series as they lie in files of their own: a row a step, a column a channel."""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from tacit import interrupt
from tacit.core import Raw
from tacit.errors import Unreadable
from tacit.modalities.stamps import SERIES_COLUMNS, in_order, moments, time_column

Values = npt.NDArray[np.float32]
TABLES = (".csv", ".tsv", ".txt", ".parquet")
SUFFIXES = frozenset({".ts", ".npy", *TABLES})
MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})
"""What stands in a cell without a value, in lower case."""
LARGEST = 1e15
"""Values beyond this have squares that no float32 holds."""
MOST = 50_000_000
"""Values of one series at most."""
_HEAD = 2**16  # bytes in which the facts of a .ts file stand
_NUMPY, _PARQUET = b"\x93NUMPY", b"PAR1"


def decode(raw: Raw) -> Values:
    """A series, float32 `[L, C]`, NaN where a value is missing; from an array `[L]` or `[L, C]`, or a file's bytes.

    Files are numpy's, Parquet, or text: cells separated by commas, semicolons, tabs or spaces, with or without a line
    of names. A column called `time`, `timestamp`, `date` or `datetime` puts the rows in order and is no channel.
    Raises `Unreadable`.
    """
    if isinstance(raw, np.ndarray):
        return checked(raw)
    if not raw.strip():
        raise Unreadable("an empty file")
    if b"@data" in raw[:_HEAD].lower():
        raise Unreadable("a .ts file holds many series: give it, or its folder, as DATA, not in a list or an archive")
    if raw.startswith(_NUMPY):
        return checked(_array(raw))
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


def _table(header: list[str], rows: Iterable[Sequence[object]], first: int) -> Values:
    """Rows of cells as a series, in the order of time. Raises `Unreadable`."""
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
    found = np.frombuffer(values).reshape(len(numbers), -1)
    return checked(found if time is None else found[in_order(moments(times, numbers), numbers)])


def number_in(cell: object, row: int, column: object) -> float:
    """The number in a cell; NaN where it is missing. Raises `Unreadable` for anything else."""
    if cell is None or (isinstance(cell, str) and cell.strip().lower() in MISSING):
        return math.nan
    found = _float(cell)
    if found is None:
        raise Unreadable(f"row {row}, column {column}: {str(cell)[:40]!r} is no number")
    return found
