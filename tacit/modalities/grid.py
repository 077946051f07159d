"""Even steps of time: how far apart they are, and how rows are brought to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator

from tacit.errors import Unreadable
from tacit.modalities.stamps import NUMBER, ZONED, Instants

MOST = 50_000_000
"""Values of one series at most."""
_UNITS = {
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
    "us": 1,
}
"""In microseconds, the longest first."""
_PART = re.compile(r"(\d+(?:\.\d+)?)(min|ms|us|[wdhms])")
_WAYS = "write a duration such as 250ms, 10s, 10m, 1h or 1d, or, where times are numbers, a number in their unit"
_LONGEST = 36_525 * _UNITS["d"]
_SMALLEST, _LARGEST = Decimal("1e-12"), Decimal("1e15")
_ORIGIN = 4 * _UNITS["d"]  # Monday, 5 January 1970: 7d are weeks
_SHORT, _SPARSE = 100_000, 100
"""A grid of fewer steps is always made, and a longer one where there is a row for so many of them."""
_ROUNDING = 1e-6  # of a step: numbers such as 0.3 are not what they are written as
_TELLING = 2.0**50  # steps from 0 that float64 tells apart well enough
Longs = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Every:
    """How far even steps are apart."""

    size: Decimal
    """In microseconds, or in the unit of times that are numbers."""
    dated: bool
    """Whether it is a duration, for times that are dates."""

    @classmethod
    def of(cls, text: str) -> Every:
        """From text such as `10m` or `0.5`. Raises `ValueError` with what to write."""
        plain = text.strip().lower()
        if (number := _decimal(plain)) is not None:
            if not _SMALLEST <= number <= _LARGEST:
                raise ValueError(f"no step of a grid: give a number from {_SMALLEST} to {_LARGEST}, or a duration")
            return cls(number.normalize(), dated=False)
        parts = plain.replace(" ", "")
        if not parts or _PART.sub("", parts):
            raise ValueError(f"no step of a grid: {_WAYS}")
        size = sum((Decimal(many) * _unit(unit) for many, unit in _PART.findall(parts)), Decimal(0))
        if size != size.to_integral_value() or not 1 <= size <= _LONGEST:
            raise ValueError("no step of a grid: give whole microseconds, at least one and at most a century")
        return cls(size.to_integral_value(), dated=True)

    def __str__(self) -> str:
        """As `of` reads it: in the longest unit that it is a whole number of."""
        if not self.dated:
            return f"{self.size:f}"
        size = int(self.size)
        unit = next(unit for unit, length in _UNITS.items() if size % length == 0)
        return f"{size // _UNITS[unit]}{unit}"

    def bins(self, when: Instants, rows: Sequence[int]) -> Longs:
        """Which step of the grid each time falls into, `[R]`: from its own time to before the next one's.

        Steps are counted from Monday, 5 January 1970, 00:00 (UTC, where zones are known), or from 0. `rows`: the number
        of each one's row, for messages. Raises `Unreadable` where times are of the other kind, or where steps would be
        far more than rows.
        """
        if (when.kind == NUMBER) == self.dated:
            raise Unreadable(
                f"its times are numbers, and modality.every={self} is a duration: give a number in their unit, such as "
                "600 for ten minutes where they are seconds"
                if self.dated
                else f"its times are dates, and modality.every={self} is a number: give a duration such as {self}s"
            )
        found = self._dated_bins(when.values) if self.dated else self._number_bins(when.values)
        first, last = int(found.argmin()), int(found.argmax())
        steps = int(found[last]) - int(found[first]) + 1
        if steps > max(_SHORT, _SPARSE * len(found)):
            times = [self.texts(found[[at]], when.kind)[0] for at in (first, last)]
            raise Unreadable(
                f"row {rows[first]} is of {times[0]}, and row {rows[last]} of {times[1]}: in steps of {self} these are "
                f"{steps:,}, for {len(found):,} rows. Mend the time that is wrong, or give a longer modality.every"
            )
        return found

    def _dated_bins(self, micros: Longs) -> Longs:
        return (micros - _ORIGIN) // int(self.size)

    def _number_bins(self, numbers: npt.NDArray[np.float64]) -> Longs:
        with np.errstate(over="ignore"):  # infinity is too large, as what follows says
            places = numbers / float(self.size)
        if np.abs(places).max() > _TELLING:
            largest = float(numbers[np.abs(places).argmax()])
            raise Unreadable(
                f"its time {largest:g} is too large to be told in steps of {self}: give times from a later 0"
            )
        near = np.rint(places)
        slack = np.maximum(_ROUNDING, 4 * np.finfo(np.float64).eps * np.abs(places))
        return np.where(np.abs(places - near) <= slack, near, np.floor(places)).astype(np.int64)

    def texts(self, bins: Longs, kind: str) -> Sequence[str]:
        """When steps begin, as text: numbers, or dates as in 2024-05-31 13:00:00, with +00:00 where zones are known."""
        if not self.dated:
            return [f"{int(step) * self.size:f}" for step in bins]
        size = int(self.size)
        unit = next(unit for unit in ("s", "ms", "us") if size % _UNITS[unit] == 0)
        dates = (bins * size + _ORIGIN).astype("datetime64[us]").astype(f"datetime64[{unit}]").astype(np.str_)
        zone = "+00:00" if kind == ZONED else ""
        return [f"{date.replace('T', ' ')}{zone}" for date in dates.tolist()]


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _unit(unit: str) -> int:
    return 7 * _UNITS["d"] if unit == "w" else _UNITS["m" if unit == "min" else unit]


def _canonical(given: Any) -> Any:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        return given
    return str(Every.of(str(given)))


Step = Annotated[str, BeforeValidator(_canonical)]
"""A setting that `Every.of` reads, in the one way that it is written in configurations and layouts."""


@dataclass(frozen=True, eq=False)
class Even:
    """A series at even steps."""

    values: npt.NDArray[np.float32]
    """`[T, C]`, NaN where a step has no value."""
    marks: npt.NDArray[np.bool_]
    """`[T]`, true where a row of the step is marked."""
    every: Every
    first: int
    """The place of its first step in the grid."""
    kind: str
    """What its times are (`Instants.kind`)."""

    def times(self) -> Sequence[str]:
        """When each step begins."""
        return self.every.texts(np.arange(self.first, self.first + len(self.values)), self.kind)


def evened(
    values: npt.NDArray[np.float64],
    bins: Longs,
    every: Every,
    kind: str,
    *,
    until: int | None = None,
    marks: npt.NDArray[np.bool_] | None = None,
) -> Even:
    """Rows `[R, C]` at the steps `bins [R]` of a grid, in any order: the mean of what each step has in each channel.

    A value that is missing (NaN) counts nowhere, and a step without any stays without one. Steps go from the first of
    `bins` to `until`, by default the last of them. Raises `Unreadable` where they are too many.
    """
    first, last = int(bins.min()), int(bins.max()) if until is None else until
    steps = last - first + 1
    if steps * values.shape[1] > MOST:
        raise Unreadable(
            f"{steps:,} steps of {every} and {values.shape[1]:,} channels are more than the limit of {MOST:,} values a "
            "series: give a longer modality.every"
        )
    if len(np.unique(bins)) < len(bins):  # sums of floating-point numbers must not tell in which order rows stood
        order = np.lexsort((*values.T, bins))
        values, bins, marks = values[order], bins[order], None if marks is None else marks[order]
    at = bins - first
    found = np.full((steps, values.shape[1]), np.nan, np.float32)
    for channel, column in enumerate(values.T):
        known = ~np.isnan(column)
        count = np.bincount(at[known], minlength=steps)
        total = np.bincount(at[known], column[known], minlength=steps)
        found[count > 0, channel] = total[count > 0] / count[count > 0]
    marked = np.zeros(steps, np.bool_)
    if marks is not None:
        marked[at[marks]] = True
    return Even(found, marked, every, first, kind)
