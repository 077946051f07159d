"""Logs of who took what, and when: a row an interaction, or a line a user."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tacit import interrupt
from tacit.core import Raw
from tacit.data.listing import PARTS, Longs, NamesBuilder, Source, fingerprint, printable, stamp, suffix
from tacit.data.log_table import EXPECTED, KNOWN, events_of, flat, parts_of, plain, table_of, values_of
from tacit.errors import DataError, Unreadable
from tacit.modalities.histories import SIGN, Record, written
from tacit.modalities.stamps import moments

ENDING = ".inter"
"""The format that tells logs from all else: who reads it, reads every table as a log."""
_IN_FOLDERS = ("u.data", "ratings.dat", "ratings.csv")
_WHOLE = r"^[+-]?\d+(\.0+)?$"


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
    events: Longs
    """`[M]`, places in `event_names`, the last of which says nothing."""
    event_names: Sequence[str]
    values: npt.NDArray[np.float64]
    """`[M]`, NaN where there is none."""
    parts: Longs
    """`[M]`, places in `PARTS`, -1 where nothing is said."""
    timed: bool
    """Whether times say when, rather than in which order alone."""
    notes: tuple[str, ...] = ()

    def record(self, row: int) -> Record:
        """One of them."""
        time, value = (float(column[row]) for column in (self.times, self.values))
        return Record(
            self.item_names[self.items[row]],
            time if self.timed else None,
            self.event_names[self.events[row]],
            None if np.isnan(value) else value,
            "" if self.parts[row] < 0 else PARTS[self.parts[row]],
        )


def is_log(columns: Iterable[str]) -> bool:
    """Whether a table of these columns is a log: they say who, what and when."""
    names = {plain(name) for name in columns}
    return all(names & set(known) for known in KNOWN.values())


def open_log(path: Path) -> Source:
    """The users of a log, each the items they took in the order of time, as `histories.items_of` reads them.

    Columns are known by their names, never by their order: `user` (or `user_id`), `item` (`item_id`), `time`
    (`timestamp`, `date`, `datetime`), and `event`, `value` (`rating`) and `split` (train, val, test), if there are
    such; all others are not read. Interactions of one time keep the order of the file; what says the same things twice
    counts once. Raises `DataError`.
    """
    path = _in_folder(path) if path.is_dir() else path
    log = _lines(path) if suffix(path.name) == ".txt" else _ordered(path, _rows(path))
    ends = np.cumsum(np.bincount(log.users, minlength=len(log.user_names)))
    builder = NamesBuilder(0)
    for name in log.user_names:
        builder.add(os.fsencode(name))
    names, _ = builder.finish()
    kind = "log of divided records" if (log.parts >= 0).any() else "log of records"

    def read(row: int) -> Raw:
        return written([log.record(place) for place in range(int(ends[row - 1]) if row else 0, int(ends[row]))])

    return Source(
        title=str(path),
        names=names,
        read=read,
        fingerprint=fingerprint(kind, names, np.array(stamp(path.stat()))),
        labels=np.full(len(names), -1, np.int32),
        notes=log.notes,
    )


def _in_folder(folder: Path) -> Path:
    """The one log in a folder, such as MovieLens'."""
    found = [folder / name for name in _IN_FOLDERS if (folder / name).is_file()] or sorted(folder.glob(f"*{ENDING}"))
    if len(found) == 1:
        return found[0]
    named = f"holds {', '.join(printable(path.name) for path in found)}: name one of them" if found else "holds no log"
    raise DataError(f"{printable(str(folder))} {named}; {EXPECTED}")


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
        raise DataError(f"{printable(str(path))} has no line of a user and items; {EXPECTED}")
    times = np.arange(len(items), dtype=np.float64)
    nothing = np.zeros(len(items), np.int64), ("",), np.full(len(items), np.nan), np.full(len(items), -1)
    return _Log(np.array(users, np.int64), np.array(items, np.int64), times, list(known), list(seen), *nothing, False)


def _ordered(path: Path, log: _Log) -> _Log:
    """The same interactions user by user in the order of time, without those that are there twice."""
    twice = np.zeros(len(log.users), np.bool_)
    told = (log.events, log.items, log.times, log.users)
    order = np.lexsort(told)  # stable: of two alike the first in the file comes first
    twice[order[1:][np.all([np.diff(column[order]) == 0 for column in told], axis=0)]] = True
    left = np.flatnonzero(~twice)
    left = left[np.lexsort((log.parts[left], log.times[left], log.users[left]))]
    users, items, times, parts = log.users[left], log.items[left], log.times[left], log.parts[left]
    _must_be_in_order(path, log, users, parts)
    ties = int(((np.diff(users) == 0) & (np.diff(times) == 0)).sum())
    title, notes = printable(str(path)), list(log.notes)
    for count, what in (
        (int(twice.sum()), "rows say what another one says (user, item, time and event): they count once"),
        (
            ties,
            f"of {len(users):,} interactions have the time of the user's one before: the file's order is kept",
        ),
        (int((times < 0).sum()), "interactions have a negative time: they come before all others"),
    ):
        notes += [f"{title}: {count:,} {what}"] if count else []
    if (parts > 0).any():
        named = ", ".join(f"{part} {int((parts == number).sum()):,}" for number, part in enumerate(PARTS))
        notes.append(f"{title}: its column split divides the interactions: {named}")
    events, values = log.events[left], log.values[left]
    return replace(
        log, users=users, items=items, times=times, parts=parts, events=events, values=values, notes=tuple(notes)
    )


def _must_be_in_order(path: Path, log: _Log, users: Longs, parts: Longs) -> None:
    """Raises `DataError` where a user takes something of an earlier part behind something of a later one."""
    back = np.flatnonzero((np.diff(users) == 0) & (np.diff(parts) < 0))
    if len(back):
        whose, after, before = log.user_names[users[back[0]]], *(PARTS[parts[back[0] + step]] for step in (1, 0))
        raise DataError(
            f"{printable(str(path))}: {len(np.unique(users[back])):,} users have rows of an earlier part behind later "
            f"ones, such as {printable(whose)} {after} behind {before}: a history is learnt from up to what is judged. "
            "Divide each user in the order of time, or leave the column split out"
        )


def _rows(path: Path) -> _Log:
    """The interactions of a table, in the order of its rows."""
    import pyarrow
    import pyarrow.compute as pc

    table, first = table_of(path)
    parts = parts_of(path, flat(table.column("split"))) if "split" in table.column_names else None
    lacking = np.zeros(table.num_rows, np.bool_)
    columns = {}
    for what in KNOWN:
        column = columns[what] = flat(table.column(what))
        missing = column.is_null()
        if pyarrow.types.is_string(column.type):
            columns[what] = column = pc.utf8_trim_whitespace(column)
            missing = pc.or_kleene(missing, pc.equal(pc.utf8_length(pc.fill_null(column, "")), 0))
        lacking |= missing.to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(~lacking)
    if not len(rows):
        raise DataError(f"{printable(str(path))} has no row with a user, an item and a time; {EXPECTED}")
    notes = []
    if lacking.any():
        some = ", ".join(str(row + first) for row in np.flatnonzero(lacking)[:5].tolist())
        notes = [f"{printable(str(path))}: {int(lacking.sum()):,} rows lack user, item or time: left out (rows {some})"]
    if parts is not None and (parts >= 0).any() and (outside := int((parts[rows] < 0).sum())):
        notes.append(f"{printable(str(path))}: {outside:,} rows are of no part of the column split: left out")
        lacking |= parts < 0
        rows = np.flatnonzero(~lacking)
    kept = {what: column.filter(pyarrow.array(~lacking)) for what, column in columns.items()}
    (users, user_names), (items, item_names) = (_ids(path, what, kept[what]) for what in ("user", "item"))
    more = {what: flat(table.column(what)).take(rows) for what in table.column_names if what not in KNOWN}
    times = _times(path, kept["time"], rows + first)
    told = *events_of(more.get("event"), len(rows)), values_of(more.get("value"), len(rows))
    own = np.full(len(rows), -1) if parts is None else parts[rows]
    return _Log(users, items, times, user_names, item_names, *told, own, True, tuple(notes))


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
    if any("\n" in name or SIGN in name for name in names):
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

    if pyarrow.types.is_timestamp(column.type) or pyarrow.types.is_date(column.type):
        seconds = column.cast(pyarrow.timestamp("us")).cast(pyarrow.int64()).to_numpy(zero_copy_only=False) / 1e6
        return np.asarray(seconds, np.float64)
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
