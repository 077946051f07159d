"""The tables in which logs lie: columns by their names, whatever the format."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tacit.data.lines import ending, first_line
from tacit.data.listing import Longs, printable, suffix
from tacit.data.table import header_of, part_called
from tacit.errors import DataError
from tacit.modalities.histories import SIGN
from tacit.modalities.item_table import ITEM_COLUMNS
from tacit.modalities.stamps import TIME_COLUMNS

USER_COLUMNS = ("user", "user_id", "userid")
KNOWN = {"user": USER_COLUMNS, "item": ITEM_COLUMNS, "time": TIME_COLUMNS}
"""What a log has to say, and the names of the columns that do."""
MORE = {
    "event": ("event", "event_type", "action", "behavior"),
    "value": ("value", "rating", "score"),
    "split": ("split",),
}
"""What it may say beside; of several such columns the first of these is read."""
EXPECTED = (
    "a log is a .csv, .tsv or .parquet with the columns user, item and time, RecBole's .inter, a .txt with a line a "
    "user (`user item item ...`, the oldest first), or MovieLens' u.data, ratings.dat and ratings.csv"
)
_MOVIELENS = ("user", "item", "rating", "timestamp")


def table_of(path: Path) -> tuple[Any, int]:
    """The columns `user`, `item` and `time`, and `event`, `value` and `split` where there are such, as pyarrow reads
    them, and the number of the first row. Raises `DataError`."""
    import pyarrow
    import pyarrow.parquet

    try:
        if ending(path) == ".parquet":
            have = list(pyarrow.parquet.read_schema(path).names)
            known = _known(path, have)
            table = pyarrow.parquet.read_table(path, columns=list(known.values()))
            return table.select(list(known.values())).rename_columns(list(known)), 1
        return _delimited(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"{printable(str(path))} cannot be read as a table: {' '.join(str(error).split())[:160]}"
        ) from None


def _delimited(path: Path) -> tuple[Any, int]:
    """A table in text; MovieLens' files have no line of names."""
    import pyarrow
    from pyarrow import csv

    first, own = first_line(path), suffix(path.name)
    if not first:
        raise DataError(f"{printable(str(path))} is empty; {EXPECTED}")
    source: Any = path
    if own in (".dat", ".data"):
        sign = "::" if own == ".dat" else "\t"
        if len(first.split(sign)) != len(_MOVIELENS):
            raise DataError(
                f"{printable(str(path))} is not as MovieLens writes it, {sign.join(_MOVIELENS)!r}; {EXPECTED}"
            )
        header, delimiter, names = list(_MOVIELENS), "\t", list(_MOVIELENS)
        source = io.BytesIO(path.read_bytes().replace(b"::", b"\t")) if own == ".dat" else path
    else:
        header, delimiter = header_of(path.name, first)
        names = None
    known = _known(path, header)
    begin = 1 if names else 2

    broken = []

    def refuse(row: Any) -> str:
        broken.append(f"row {row.number} has {row.actual_columns} cells, and others have {row.expected_columns}")
        return "error"

    read = csv.ReadOptions(use_threads=False, column_names=names)
    parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse)
    kinds = dict.fromkeys(known.values(), "string")
    convert = csv.ConvertOptions(
        column_types=kinds, include_columns=list(kinds), null_values=[""], strings_can_be_null=True
    )
    try:
        return csv.read_csv(source, read, parse, convert).rename_columns(list(known)), begin
    except pyarrow.ArrowInvalid:
        if broken:  # an exception of our own would be lost in pyarrow's threads
            raise DataError(f"{printable(str(path))}: {broken[0]}: every row needs a cell a column") from None
        raise


def _known(path: Path, header: Sequence[str]) -> dict[str, str]:
    """`user`, `item` and `time` -> the column as it is written. Raises `DataError` where one is not there, or twice."""
    known = {}
    for what, names in KNOWN.items():
        have = [name for name in header if plain(name) in names]
        if len(have) > 1:
            raise DataError(
                f"{printable(str(path))}: columns {' and '.join(map(printable, have))} both name the {what}: rename or "
                "drop all but one"
            )
        if not have:
            order = ". The order of rows is not taken for that of time" if what == "time" else ""
            raise DataError(
                f"{printable(str(path))} has no column {what} ({', '.join(names)}); its columns are "
                f"{', '.join(map(printable, header)) or 'none'}{order}. Rename the one that is meant"
            )
        known[what] = have[0]
    for what, names in MORE.items():
        have = [name for wanted in names for name in header if plain(name) == wanted]
        if have:
            known[what] = have[0]
    return known


def plain(name: str) -> str:
    """A column's name in lower case, without the type that `.inter` files write behind it."""
    return name.partition(":")[0].strip().lower()


def flat(column: Any) -> Any:
    """One array of plain values."""
    import pyarrow

    column = column.combine_chunks()
    if pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pyarrow.string()) if pyarrow.types.is_large_string(column.type) else column


def parts_of(path: Path, column: Any) -> Longs:
    """Places in `PARTS`, -1 where nothing is said. Raises `DataError` for any other word."""
    import pyarrow
    import pyarrow.compute as pc

    if pyarrow.types.is_nested(column.type):
        raise DataError(f"{printable(str(path))}: the column split holds {column.type}: give train, val or test a row")
    encoded = pc.utf8_trim_whitespace(column.cast(pyarrow.string())).dictionary_encode()
    names = encoded.dictionary.to_pylist()
    known = [part_called(printable(str(path)), name) if name else -1 for name in names]
    places: Longs = encoded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.array([*known, -1], np.int64)[places]


def events_of(column: Any, count: int) -> tuple[Longs, Sequence[str]]:
    """Places among the names of events, and these names, the last of which says nothing."""
    import pyarrow

    if column is None or pyarrow.types.is_nested(column.type):
        return np.zeros(count, np.int64), ("",)
    encoded = column.cast(pyarrow.string()).dictionary_encode()
    names = [" ".join(str(name).replace(SIGN, " ").split()) for name in encoded.dictionary.to_pylist()]
    return encoded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False).astype(np.int64), [*names, ""]


def values_of(column: Any, count: int) -> npt.NDArray[np.float64]:
    """Numbers, NaN where there is none."""
    import pyarrow
    import pyarrow.compute as pc

    nothing = np.full(count, np.nan)
    if column is None or pyarrow.types.is_nested(column.type):
        return nothing
    try:
        if pyarrow.types.is_string(column.type):
            column = pc.utf8_trim_whitespace(column)
        found = column.cast(pyarrow.float64()).to_numpy(zero_copy_only=False)
    except pyarrow.ArrowException:
        return nothing  # a column of this name that holds no numbers is another one
    return np.asarray(found, np.float64)
