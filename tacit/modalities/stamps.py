"""Times as tables write them: which columns hold them, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from tacit.errors import Unreadable

TIME_COLUMNS = ("time", "timestamp", "date", "datetime")
"""Names of columns that say when; compared in lower case."""
SERIES_COLUMNS = ("series", "id")
"""Names of columns that say which series a row belongs to."""
NUMBER, ZONED, NAIVE = "a number", "with a time zone", "without a time zone"
"""What times are: all of a series are one of these."""
Floats = npt.NDArray[np.float64]
_SECOND = 1_000_000  # microseconds, the finest that dates here tell
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


@dataclass(frozen=True, eq=False)
class Instants:
    """Times `[R]` that can be compared and counted with."""

    values: npt.NDArray[Any]
    """Float64, numbers as they are; or int64, dates in microseconds since 1970, of UTC where a zone is known."""
    kind: str
    """`NUMBER`, `ZONED` or `NAIVE`."""

    def seconds(self) -> Floats:
        """Numbers as they are, dates in seconds."""
        return self.values.astype(np.float64) / (1 if self.kind == NUMBER else _SECOND)


def time_column(header: Iterable[str]) -> str | None:
    """The column of times among `header` as it is written there, or None. Raises `Unreadable` where there are two."""
    found = [name for name in header if name.strip().lower() in TIME_COLUMNS]
    if len(found) > 1:
        raise Unreadable(f"columns {' and '.join(found)} both say when: rename all but one")
    return found[0] if found else None


def instants(texts: Sequence[object], rows: Sequence[int]) -> Instants:
    """Times as they are written, made comparable.

    `rows`: the number of each one's row, for messages. With a time zone they are taken to UTC; those with and without
    one do not mix, and neither do numbers and dates. Raises `Unreadable`.
    """
    first, found = NUMBER, []
    for place, text in enumerate(texts):
        kind, value = _instant(text, rows[place])
        first = kind if place == 0 else first
        if kind != first:
            raise Unreadable(f"row {rows[place]}: the time {text!s} is {kind}, and others are {first}: write all alike")
        found.append(value)
    return Instants(np.array(found, np.float64 if first == NUMBER else np.int64), first)


def moments(texts: Sequence[object], rows: Sequence[int]) -> Floats:
    """Times as numbers that can be compared: numbers as they are, dates and times in seconds. As `instants`."""
    return instants(texts, rows).seconds()


def _instant(text: object, row: int) -> tuple[str, float]:
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
    if isinstance(text, date):  # a day is when it begins, as where it is written as text
        return _dated(datetime(text.year, text.month, text.day))
    if isinstance(text, int | float) and not isinstance(text, bool):
        return _number(float(text), row)
    raise Unreadable(f"row {row} has no time that is read: {text!r}")


def _number(value: float, row: int) -> tuple[str, float]:
    if not math.isfinite(value):
        raise Unreadable(f"row {row} has no time: {value}")
    return NUMBER, value


def _dated(moment: datetime) -> tuple[str, int]:
    kind = NAIVE if moment.tzinfo is None else ZONED
    return kind, ((moment.replace(tzinfo=UTC) if kind == NAIVE else moment) - _EPOCH) // _MICROSECOND


def in_order(times: Floats, rows: Sequence[int]) -> npt.NDArray[np.int64]:
    """The order by time, `[L]`. Raises `Unreadable`, with the numbers of the rows, where two are at the same time."""
    order = np.argsort(times, kind="stable")
    same = np.flatnonzero(np.diff(times[order]) == 0)
    if len(same):
        first, second = (rows[int(order[same[0] + at])] for at in (0, 1))
        more = f", and {len(same) - 1:,} more such pairs" if len(same) > 1 else ""
        raise Unreadable(
            f"rows {first} and {second} have the same time{more}: give each step a time of its own, or bring rows to "
            "even steps, such as --set modality.every=10m, which averages them"
        )
    return order
