"""One series of a table: the rows that were read of it, in order, in parts, and at even steps."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tacit.data.listing import Longs
from tacit.data.table import EXTRA_COLUMNS
from tacit.errors import Unreadable
from tacit.modalities.grid import Even, Every, evened
from tacit.modalities.stamps import in_order, instants, moments
from tacit.modalities.steps import checked, number_in

MARKS = "anomaly"
"""The column that says of a step whether something was wrong at it."""
_ONE_EACH = tuple(extra for extra in EXTRA_COLUMNS if extra != "split")
_WORDS = {"true": 1, "false": 0}


@dataclass
class OneSeries:
    """What was read of one series, R rows."""

    values: array[float] = field(default_factory=lambda: array("d"))
    times: list[object] = field(default_factory=list)
    rows: array[int] = field(default_factory=lambda: array("q"))
    """The number of each row in the file, from 1."""
    splits: list[str] = field(default_factory=list)
    """What each row says of it."""
    marks: array[int] = field(default_factory=lambda: array("b"))
    """1 where a row is marked as an anomaly."""
    extras: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    """Why it cannot be read; the first that was met."""

    def add(self, number: int, cells: Mapping[str, Any], known: Mapping[str, str], channels: Sequence[str]) -> None:
        """One more row, whose number in the file it is; `known`: what is known -> its column."""
        for extra in _ONE_EACH:
            told = text_in(cells[known[extra]]) if extra in known else ""
            before = self.extras.setdefault(extra, told)
            if told != before:
                self.reason = self.reason or f"row {number} gives the {extra} {told!r}, and rows before it {before!r}"
        try:
            values = [number_in(cells[name], number, name) for name in channels]
            mark = _mark(cells[known[MARKS]], number) if MARKS in known else 0
        except Unreadable as error:
            self.reason = self.reason or str(error)
            return
        self.values.extend(values)
        self.marks.append(mark)
        self.times.append(cells[known["time"]])
        self.rows.append(number)
        self.splits.append(text_in(cells[known["split"]]) if "split" in known else "")

    def matrix(self) -> npt.NDArray[np.float64]:
        """The values, `[R, C]`, in the order of the file."""
        return np.frombuffer(self.values).reshape(len(self.rows), -1)

    def marked(self) -> npt.NDArray[np.bool_]:
        """`[R]`, in the order of the file."""
        return np.frombuffer(self.marks, np.int8) > 0

    def steps(self, part: str | None) -> Longs:
        """Places of the rows of a part, or of all (None), in the order of time. Raises `Unreadable`."""
        order = in_order(moments(self.times, self.rows), self.rows)
        return order if part is None else np.array([row for row in order if self.splits[row] == part])

    def even(self, part: str | None, every: Every) -> Even:
        """A part, or all, at the steps of `every`; those without a row between two parts are of the earlier one.

        Each part has what its own rows say, so that of a step at the border nothing leaks. Raises `Unreadable`.
        """
        values, when = self.matrix(), instants(self.times, self.rows)
        checked(values)
        bins = every.bins(when, self.rows)
        own = np.array([part is None or split == part for split in self.splits])
        later = bins[~own & (when.values >= when.values[own].max())]
        until = max(int(bins[own].max()), int(later.min()) - 1) if len(later) else None
        return evened(values[own], bins[own], every, when.kind, until=until, marks=self.marked()[own])

    def parts(self) -> Sequence[str]:
        """The splits that its rows say, in the order of time. One that comes back is a reason not to read it."""
        told = list(dict.fromkeys(self.splits))
        if len(told) < 2:
            return told or [""]
        try:
            times = moments(self.times, self.rows)
        except Unreadable as error:
            self.reason = self.reason or str(error)
            return told
        place = np.array([told.index(split) for split in self.splits])
        spans = [(times[place == number].min(), times[place == number].max()) for number in range(len(told))]
        ranked = sorted(range(len(told)), key=lambda number: spans[number])
        order = np.lexsort((np.argsort(ranked)[place], times))  # rows of two parts at one time are one after the other
        runs = [order[0], *(row for before, row in pairwise(order) if place[row] != place[before])]
        seen: list[str] = []
        for row in runs:
            if (part := self.splits[row]) in seen:
                self.reason = self.reason or (
                    f"row {self.rows[row]} is of the split {part!r} again, after later parts: a series is divided by "
                    "time into one stretch a part"
                )
            else:
                seen.append(part)
        return seen


def text_in(value: Any) -> str:
    """A name, label, split or group as text; empty for none."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _mark(cell: object, row: int) -> int:
    """1 for an anomaly, 0 for none or an empty cell. Raises `Unreadable` for anything else."""
    told = _WORDS.get(cell.strip().lower()) if isinstance(cell, str) else None
    value = number_in(cell, row, MARKS) if told is None else told
    if value not in (0, 1) and value == value:
        raise Unreadable(f"row {row}, column {MARKS}: {value:g} is neither 0 nor 1")
    return int(value == 1)
