"""Tables of items: a row an item, what is known of it in the other columns."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tacit import interrupt
from tacit.console import say
from tacit.errors import DataError

ITEM_COLUMNS = ("item", "item_id", "itemid", "movieid")
"""Names of columns that say which item; compared in lower case."""
_EXPECTED = (
    "what is known of items is a .csv, .tsv, .parquet or .jsonl with a column item and one or more others, or "
    "RecBole's .item"
)
_TYPES: dict[str, Literal["number", "category"]] = {"token": "category", "token_seq": "category", "float": "number"}
"""RecBole's names of types, written behind a column's."""
_SIGNS = {".csv": ",", ".tsv": "\t", ".item": "\t"}


@dataclass(frozen=True, eq=False)
class Cells:
    """One column."""

    kind: Literal["number", "category"] | None
    """None: texts, of which their cells tell what they are."""
    values: Sequence[Any]
    """`[M]`, None where nothing is known: numbers, texts, truths or lists of these."""


@dataclass(frozen=True, eq=False)
class ItemTable:
    """What is known of M items."""

    title: str
    rows: dict[str, int]
    """Item -> its row."""
    columns: dict[str, Cells]


def open_items(path: str) -> ItemTable:
    """The table at `path`. Columns are known by their names; of `.item` files also by the type behind the name.

    Raises `DataError`.
    """
    import pyarrow

    given = Path(path)
    try:
        table = _read(given)
    except FileNotFoundError:
        raise DataError(f"no file {path!r} (modality.features): {_EXPECTED}") from None
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a table: {' '.join(str(error).split())[:160]}") from None
    named = [name for name in table.column_names if _plain(name) in ITEM_COLUMNS]
    if len(named) != 1 or len(table.column_names) < 2:
        have = ", ".join(table.column_names) or "none"
        fault = "several columns that name the item" if len(named) > 1 else "no column item, or none beside it"
        raise DataError(f"{path} has {fault}; its columns are {have}. {_EXPECTED}")
    rows = _rows(path, _names(table.column(named[0])))
    columns, passed = {}, []
    for name in table.column_names:
        interrupt.check()
        cells = None if name in named else _cells(name, table.column(name))
        if cells is not None:
            columns[_plain(name)] = cells
        elif name not in named:
            passed.append(name)
    if passed:
        say(f"note: {path}: columns of a type that says nothing here are passed over: {', '.join(passed)}")
    return ItemTable(path, rows, columns)


def _read(path: Path) -> Any:
    """The table as pyarrow reads it, items as texts where they are written so."""
    import pyarrow.csv
    import pyarrow.json
    import pyarrow.parquet

    match path.suffix.lower():
        case ".parquet":
            return pyarrow.parquet.read_table(path)
        case ".jsonl":
            return pyarrow.json.read_json(path)
        case ".csv" | ".tsv" | ".item":
            sign = _SIGNS[path.suffix.lower()]
            with path.open(encoding="utf-8-sig", newline="") as file:
                header = next(csv.reader(file, delimiter=sign), [])
            items = {name: pyarrow.string() for name in header if _plain(name) in ITEM_COLUMNS}
            return pyarrow.csv.read_csv(
                path,
                parse_options=pyarrow.csv.ParseOptions(delimiter=sign, newlines_in_values=True),
                convert_options=pyarrow.csv.ConvertOptions(column_types=items),
            )
    raise DataError(f"{path} ends with {path.suffix or 'nothing'}: {_EXPECTED}")


def _plain(name: str) -> str:
    """A column's name in lower case, without the type that `.item` files write behind it."""
    return name.partition(":")[0].strip().lower()


def _names(column: Any) -> Sequence[str | None]:
    """Items as the log names them: `12.0` is 12 where all are numbers."""
    names = [None if value is None else str(value).strip() or None for value in column.to_pylist()]
    known = [name for name in names if name is not None]
    try:
        whole = any("." in name for name in known) and all(float(name).is_integer() for name in known)
    except (ValueError, OverflowError):
        whole = False
    return [name.partition(".")[0] if name and whole else name for name in names]


def _rows(path: str, names: Sequence[str | None]) -> dict[str, int]:
    rows: dict[str, int] = {}
    lacking = 0
    for row, name in enumerate(names):
        if name is None:
            lacking += 1
        elif rows.setdefault(name, row) != row:
            raise DataError(f"{path} describes item {name!r} twice: give it one row, lists joined by |")
    if lacking:
        say(f"note: {path}: {lacking:,} rows name no item: left out")
    if not rows:
        raise DataError(f"{path} describes no item: {_EXPECTED}")
    return rows


def _cells(name: str, column: Any) -> Cells | None:
    """The cells of a column; None for a type that is not read."""
    import pyarrow
    from pyarrow import types

    told = name.partition(":")[2].strip().lower()
    kind = column.type
    if told and told not in _TYPES:
        return None
    if types.is_temporal(kind) and not types.is_duration(kind):
        column, kind = column.cast(pyarrow.timestamp("us")).cast(pyarrow.int64()), pyarrow.int64()
    values = column.to_pylist()
    if told == "token_seq":
        return Cells("category", [None if value is None else str(value).split() for value in values])
    numbers = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    if told == "token" or (not told and (types.is_boolean(kind) or types.is_list(kind) or types.is_large_list(kind))):
        return Cells("category", values)
    if numbers:
        return Cells("number", values)
    texts = types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind)
    return Cells(None, values) if texts and told != "float" else None
