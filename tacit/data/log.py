"""Logs of who took what, and when: a row an interaction, or a line a user."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tacit import interrupt
from tacit.core import Raw
from tacit.data.lines import ending, first_line
from tacit.data.listing import Longs, NamesBuilder, Source, fingerprint, printable, stamp, suffix
from tacit.data.table import header_of
from tacit.errors import DataError, Unreadable
from tacit.modalities.histories import written
from tacit.modalities.stamps import TIME_COLUMNS, moments

ENDING = ".inter"
"""The format that tells logs from all else: who reads it, reads every table as a log."""
USER_COLUMNS = ("user", "user_id", "userid")
ITEM_COLUMNS = ("item", "item_id", "itemid", "movieid")
_KNOWN = {"user": USER_COLUMNS, "item": ITEM_COLUMNS, "time": TIME_COLUMNS}
_MOVIELENS = ("user", "item", "rating", "timestamp")
_IN_FOLDERS = ("u.data", "ratings.dat", "ratings.csv")
_WHOLE = r"^[+-]?\d+(\.0+)?$"
_EXPECTED = (
    "a log is a .csv, .tsv or .parquet with the columns user, item and time, RecBole's .inter, a .txt with a line a "
    "user (`user item item ...`, the oldest first), or MovieLens' u.data, ratings.dat and ratings.csv"
)


@dataclass(frozen=True, eq=False)
class _Log:
    """Interactions as they lie in a file. M is their number."""

    users: Longs
    """`[M]`, places in `user_names`."""
    items: Longs
    """`[M]`, places in `item_names`."""
    times: npt.NDArray[np.float64]
    """`[M]`."""
    user_names: Sequence[str]
    item_names: Sequence[str]
    notes: tuple[str, ...] = ()


def is_log(columns: Iterable[str]) -> bool:
    """Whether a table of these columns is a log: they say who, what and when."""
    names = {_plain(name) for name in columns}
    return all(names & set(known) for known in _KNOWN.values())


def open_log(path: Path) -> Source:
    """The users of a log, each the items they took in the order of time, as `histories.items_of` reads them.

    Columns are known by their names, never by their order: `user` (or `user_id`), `item` (`item_id`), `time`
    (`timestamp`, `date`, `datetime`); all others are not read. Interactions of one time keep the order of the file;
    what says the same three things twice counts once. Raises `DataError`.
    """
    path = _in_folder(path) if path.is_dir() else path
    log = _lines(path) if suffix(path.name) == ".txt" else _ordered(path, _rows(path))
    ends = np.cumsum(np.bincount(log.users, minlength=len(log.user_names)))
    builder = NamesBuilder(0)
    for name in log.user_names:
        builder.add(os.fsencode(name))
    names, _ = builder.finish()

    def read(row: int) -> Raw:
        taken = log.items[int(ends[row - 1]) if row else 0 : int(ends[row])]
        return written([log.item_names[item] for item in taken.tolist()])

    return Source(
        title=str(path),
        names=names,
        read=read,
        fingerprint=fingerprint("log", names, np.array(stamp(path.stat()))),
        labels=np.full(len(names), -1, np.int32),
        notes=log.notes,
    )


def _in_folder(folder: Path) -> Path:
    """The one log in a folder, such as MovieLens'."""
    found = [folder / name for name in _IN_FOLDERS if (folder / name).is_file()] or sorted(folder.glob(f"*{ENDING}"))
    if len(found) == 1:
        return found[0]
    named = f"holds {', '.join(printable(path.name) for path in found)}: name one of them" if found else "holds no log"
    raise DataError(f"{printable(str(folder))} {named}; {_EXPECTED}")


def _lines(path: Path) -> _Log:
    """A line a user: `user item item ...`, in order."""
    known: dict[str, int] = {}
    seen: dict[str, int] = {}
    users, items = [], []
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                interrupt.check()
                user, *taken = line.split() or [""]
                if not user:
                    continue
                if user in known:
                    raise DataError(
                        f"{printable(str(path))}: line {number} is of user {printable(user)}, as one before it: give "
                        "each user one line"
                    )
                users += [known.setdefault(user, len(known))] * len(taken)
                items += [seen.setdefault(item, len(seen)) for item in taken]
    except UnicodeDecodeError as error:
        raise DataError(f"{printable(str(path))} is no UTF-8: {error.reason} at byte {error.start:,}") from None
    if not items:
        raise DataError(f"{printable(str(path))} has no line of a user and items; {_EXPECTED}")
    times = np.arange(len(items), dtype=np.float64)
    return _Log(np.array(users, np.int64), np.array(items, np.int64), times, list(known), list(seen))


def _ordered(path: Path, log: _Log) -> _Log:
    """The same interactions user by user in the order of time, without those that are there twice."""
    twice = np.zeros(len(log.users), np.bool_)
    order = np.lexsort((log.items, log.times, log.users))  # stable: of two alike the first in the file comes first
    same = [np.diff(column[order]) == 0 for column in (log.users, log.times, log.items)]
    twice[order[1:][same[0] & same[1] & same[2]]] = True
    users, items, times = log.users[~twice], log.items[~twice], log.times[~twice]
    order = np.lexsort((times, users))
    users, items, times = users[order], items[order], times[order]
    ties = int(((np.diff(users) == 0) & (np.diff(times) == 0)).sum())
    title, notes = printable(str(path)), list(log.notes)
    for count, what in (
        (int(twice.sum()), "rows say what another one says (user, item and time): they count once"),
        (
            ties,
            f"of {len(users):,} interactions have the time of the user's one before: the file's order is kept",
        ),
        (int((times < 0).sum()), "interactions have a negative time: they come before all others"),
    ):
        notes += [f"{title}: {count:,} {what}"] if count else []
    return _Log(users, items, times, log.user_names, log.item_names, tuple(notes))


def _rows(path: Path) -> _Log:
    """The interactions of a table, in the order of its rows."""
    import pyarrow
    import pyarrow.compute as pc

    table, first = _table(path)
    lacking = np.zeros(table.num_rows, np.bool_)
    columns = {}
    for what in _KNOWN:
        column = columns[what] = _flat(table.column(what))
        missing = column.is_null()
        if pyarrow.types.is_string(column.type):
            columns[what] = column = pc.utf8_trim_whitespace(column)
            missing = pc.or_kleene(missing, pc.equal(pc.utf8_length(pc.fill_null(column, "")), 0))
        lacking |= missing.to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(~lacking)
    if not len(rows):
        raise DataError(f"{printable(str(path))} has no row with a user, an item and a time; {_EXPECTED}")
    notes = []
    if lacking.any():
        some = ", ".join(str(row + first) for row in np.flatnonzero(lacking)[:5].tolist())
        notes = [f"{printable(str(path))}: {int(lacking.sum()):,} rows lack user, item or time: left out (rows {some})"]
    kept = {what: column.filter(pyarrow.array(~lacking)) for what, column in columns.items()}
    (users, user_names), (items, item_names) = (_ids(path, what, kept[what]) for what in ("user", "item"))
    return _Log(users, items, _times(path, kept["time"], rows + first), user_names, item_names, tuple(notes))


def _table(path: Path) -> tuple[Any, int]:
    """The columns `user`, `item` and `time` as pyarrow reads them, and the number of the first row."""
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
        raise DataError(f"{printable(str(path))} is empty; {_EXPECTED}")
    source: Any = path
    if own in (".dat", ".data"):
        sign = "::" if own == ".dat" else "\t"
        if len(first.split(sign)) != len(_MOVIELENS):
            raise DataError(
                f"{printable(str(path))} is not as MovieLens writes it, {sign.join(_MOVIELENS)!r}; {_EXPECTED}"
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
    for what, names in _KNOWN.items():
        have = [name for name in header if _plain(name) in names]
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
    return known


def _plain(name: str) -> str:
    """A column's name in lower case, without the type that `.inter` files write behind it."""
    return name.partition(":")[0].strip().lower()


def _flat(column: Any) -> Any:
    """One array of plain values."""
    import pyarrow

    column = column.combine_chunks()
    if pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pyarrow.string()) if pyarrow.types.is_large_string(column.type) else column


def _ids(path: Path, what: str, column: Any) -> tuple[Longs, list[str]]:
    """Places among the names of users or items by first appearance, and these names."""
    import pyarrow
    import pyarrow.compute as pc

    kind = column.type
    if not (pyarrow.types.is_string(kind) or pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)):
        raise DataError(
            f"{printable(str(path))}: the column of the {what} holds {kind}: an id is a text or a whole number"
        )
    encoded = column.dictionary_encode()
    names = [str(name) for name in encoded.dictionary.cast(pyarrow.string()).to_pylist()]
    numbers = pyarrow.array(names)
    if any("." in name for name in names) and _all_numbers(names):
        if not pc.all(pc.match_substring_regex(numbers, _WHOLE)).as_py():
            broken = next(name for name in names if not float(name).is_integer())
            raise DataError(
                f"{printable(str(path))}: the {what} column holds numbers such as {broken}, and an id is a text or a "
                "whole number: is this the column that is meant?"
            )
        names = [name.partition(".")[0] for name in names]
    if any("\n" in name for name in names):
        raise DataError(f"{printable(str(path))}: an id of the {what} goes over several lines: write it in one")
    place: dict[str, int] = {}
    renamed = np.array([place.setdefault(name, len(place)) for name in names], np.int64)
    return renamed[encoded.indices.to_numpy(zero_copy_only=False)], list(place)


def _all_numbers(names: Iterable[str]) -> bool:
    try:
        return all(np.isfinite(float(name)) for name in names)
    except ValueError:
        return False


def _times(path: Path, column: Any, rows: Longs) -> npt.NDArray[np.float64]:
    """Times as numbers that can be compared, `[M]`."""
    import pyarrow

    if pyarrow.types.is_temporal(column.type):
        column = column.cast(pyarrow.timestamp("us")).cast(pyarrow.int64())
    try:
        found = column.cast(pyarrow.float64()).to_numpy(zero_copy_only=False)
        if np.isfinite(found).all():
            return np.asarray(found)
    except pyarrow.ArrowException:
        pass
    try:
        return moments(column.to_pylist(), rows.tolist())
    except Unreadable as error:
        raise DataError(f"{printable(str(path))}: {error}") from None
