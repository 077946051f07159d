"""Times as tables write them: which columns hold them, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from tacit.errors import Unreadable

TIME_COLUMNS = ("time", "timestamp", "date", "datetime")
"""Names of columns that say when; compared in lower case."""
SERIES_COLUMNS = ("series", "id")
"""Names of columns that say which series a row belongs to."""
Floats = npt.NDArray[np.float64]


def time_column(header: Iterable[str]) -> str | None:
    """The column of times among `header` as it is written there, or None. Raises `Unreadable` where there are two."""
    found = [name for name in header if name.strip().lower() in TIME_COLUMNS]
    if len(found) > 1:
        raise Unreadable(f"columns {' and '.join(found)} both say when: rename all but one")
    return found[0] if found else None


def moments(texts: Sequence[object], rows: Sequence[int]) -> Floats:
    """Times as numbers that can be compared: numbers as they are, dates and times in seconds.

    `rows`: the number of each one's row, for messages. With a time zone they are taken to UTC; those with and without
    one do not mix, and neither do numbers and dates. Raises `Unreadable`.
    """
    found = np.empty(len(texts))
    first: str | None = None
    for place, text in enumerate(texts):
        kind, found[place] = _moment(text, rows[place])
        first = first or kind
        if kind != first:
            raise Unreadable(f"row {rows[place]}: the time {text!s} is {kind}, and others are {first}: write all alike")
    return found


def _moment(text: object, row: int) -> tuple[str, float]:
    if isinstance(text, str) and text.strip():
        try:
            return _number(float(text), row)
        except ValueError:
            pass
        try:
            return _dated(datetime.fromisoformat(text.strip()))
        except (ValueError, OverflowError):
            raise Unreadable(
                f"row {row}: {text[:40]!r} is no time: write a number, or 2024-05-31 13:00:00 (ISO 8601)"
            ) from None
    if isinstance(text, datetime):
        return _dated(text)
    if isinstance(text, int | float) and not isinstance(text, bool):
        return _number(float(text), row)
    raise Unreadable(f"row {row} has no time that is read: {text!r}")


def _number(value: float, row: int) -> tuple[str, float]:
    if not math.isfinite(value):
        raise Unreadable(f"row {row} has no time: {value}")
    return "a number", value


def _dated(moment: datetime) -> tuple[str, float]:
    if moment.tzinfo is None:
        return "without a time zone", moment.replace(tzinfo=UTC).timestamp()
    return "with a time zone", moment.timestamp()


def in_order(times: Floats, rows: Sequence[int]) -> npt.NDArray[np.int64]:
    """The order by time, `[L]`. Raises `Unreadable`, with the numbers of the rows, where two are at the same time."""
    order = np.argsort(times, kind="stable")
    same = np.flatnonzero(np.diff(times[order]) == 0)
    if len(same):
        first, second = (rows[int(order[same[0] + at])] for at in (0, 1))
        more = f", and {len(same) - 1:,} more such pairs" if len(same) > 1 else ""
        raise Unreadable(f"rows {first} and {second} have the same time{more}: give each step a time of its own")
    return order
