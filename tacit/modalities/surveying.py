"""What there is to learn from in a log: which interactions count, which items there are, when testing begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from tacit import interrupt
from tacit.core import Raw
from tacit.errors import DataError, Unreadable, nearest
from tacit.modalities import stamps
from tacit.modalities.catalogue import catalogue_of
from tacit.modalities.histories import HistoryLayout, Record, chosen, records_of
from tacit.modalities.item_table import ItemTable
from tacit.view import FIRST_WORD

LONGEST = 1024
"""Items that a row keeps of a user, unless another length is asked for."""
AUTO, LAST, TIME, COLUMN = "auto", "last", "time", "column"
"""How users are divided, if not at a time that is given."""
TESTED = 0.1
"""The share of all interactions that tests where `time` divides."""


@dataclass(frozen=True, eq=False)
class Wishes:
    """What is asked for beside the histories."""

    core: int = 1
    length: int | None = None
    table: ItemTable | None = None
    """What is known of items."""
    cold: float = 0.0
    """The share of them, by a hash of the name, that is kept out."""
    events: str = ""
    least: float | None = None
    pauses: bool = False
    """Whether it is read how long users paused."""
    split: str = AUTO
    """`last`; `column`, as the log says itself; `auto`, which is that where it does, else `last`; `time`, for the last
    tenth of all interactions; or a time."""


def survey(raws: Iterable[Raw], wishes: Wishes) -> HistoryLayout:
    """The items of `raws`, in an order that says nothing, and the length of the longest, up to 1,024.

    Raises `DataError` where there are fewer than two items, or none are left of the core, or what is asked for is not
    in the log.
    """
    found = []
    for raw in raws:
        interrupt.check()
        try:
            found.append(records_of(raw))
        except Unreadable:
            continue  # it is listed when the set is packed
    counting = _counting(found, wishes)
    histories = [[record.name for record in records] for records in counting]
    total = {name for history in histories for name in history}
    if len(total) < 2:
        raise DataError(f"{len(total)} item in {len(histories):,} histories: there is nothing to tell apart")
    kept = _core(histories, wishes.core)
    if len(kept) < 2:
        raise DataError(
            f"of {len(total):,} items {len(kept)} are left of the {wishes.core}-core: ask for a smaller one "
            "(modality.core)"
        )
    longest = max(sum(name in kept for name in history) for history in histories)
    table, items = wishes.table, _shuffled(kept)
    out = [name for name in items if table and name in table.rows and _place(f"cold {name}") < wishes.cold]
    items = [name for name in items if name not in set(out)]
    if len(items) < 2:
        raise DataError(f"of {len(kept):,} items {len(items)} are left to learn from: keep fewer out (modality.cold)")
    return HistoryLayout(
        length=wishes.length or min(LONGEST, max(8, longest)),
        vocabulary=FIRST_WORD + len(items),
        items="\n".join(items),
        core=wishes.core,
        catalogue=catalogue_of(table, items, out) if table else None,
        cold="\n".join(out),
        events=wishes.events,
        least=wishes.least,
        pauses=wishes.pauses,
        moment=None if wishes.split in (AUTO, LAST, COLUMN) else _moment(counting, wishes.split),
        parts=_parts(counting, wishes.split) if wishes.split in (AUTO, COLUMN) else "",
    )


def _counting(everything: Sequence[Sequence[Record]], wishes: Wishes) -> list[list[Record]]:
    """The interactions that count. Raises `DataError` where the log does not say which, or none do."""
    if wishes.events:
        have = sorted({record.event for records in everything for record in records} - {""})
        if not have:
            raise DataError("modality.event chooses events, and the log says of none: it has no column event")
        for event in wishes.events.split("\n"):
            if event not in have:
                raise DataError(f"modality.event: the log has no event {event!r}; {nearest(event, have)}")
    if wishes.pauses and all(record.time is None for records in everything for record in records):
        raise DataError(
            "modality.pauses=true reads how long users paused, and the data say the order alone: give a log with times"
        )
    found = [chosen(records, wishes.events, wishes.least) for records in everything]
    if wishes.least is not None and not any(found):
        values = [record.value for records in everything for record in records if record.value is not None]
        says = f"the largest is {max(values):g}" if values else "the log says of none: it has no column value or rating"
        raise DataError(f"modality.least_value={wishes.least:g} chooses by a value, and {says}")
    return found


def _parts(counting: Sequence[Sequence[Record]], split: str) -> str:
    """The parts by which the log says what is judged, a line each. Raises `DataError` where it has to, and does not."""
    named = {record.part for records in counting for record in records}
    if split == COLUMN and not named & {"val", "test"}:
        raise DataError(
            "modality.split=column divides as the log says, and no interaction that counts is of the part test: it "
            "takes a column split that says train, val or test of each row"
        )
    return "\n".join(part for part in ("val", "test") if part in named)


def _moment(counting: Sequence[Sequence[Record]], split: str) -> float:
    """From when on what was taken tests. Raises `DataError` where the log does not say when, or all is on one side."""
    times = [record.time for records in counting for record in records if record.time is not None]
    if not times:
        raise DataError(
            f"modality.split={split} divides by time, and the data say the order alone: give a log with times"
        )
    known = np.array(times)
    try:
        moment = float(np.quantile(known, 1 - TESTED)) if split == TIME else float(stamps.moments([split], [0])[0])
    except Unreadable:
        raise DataError(
            f"modality.split={split}: give last, column, time (the last tenth tests), a date such as 2024-05-31, or a "
            "number as the log's times are"
        ) from None
    if not known.min() < moment <= known.max():
        raise DataError(
            f"modality.split={split}: all interactions are on one side of {moment:.15g}: they are from "
            f"{known.min():.15g} to {known.max():.15g} (dates count as seconds since 1970)"
        )
    return moment


def _core(histories: Sequence[Sequence[str]], core: int) -> set[str]:
    """The items of the k-core: each is taken `core` times by users who took as many of them, repeats counted."""
    left = histories
    while True:
        interrupt.check()
        counts = Counter(name for history in left for name in history)
        kept = {name for name, count in counts.items() if count >= core}
        fewer = [[name for name in history if name in kept] for history in left]
        fewer = [history for history in fewer if len(history) >= core]
        if sum(map(len, fewer)) == sum(map(len, left)):
            return kept
        left = fewer


def _shuffled(names: Iterable[str]) -> list[str]:
    """In the order of a hash: numbers by first appearance or by popularity would give the next item away."""
    return sorted(names, key=lambda name: (blake2b(name.encode(), digest_size=8).digest(), name))


def _place(text: str) -> float:
    """In [0, 1), by a hash."""
    return int.from_bytes(blake2b(text.encode(), digest_size=7).digest()) / 2**56
