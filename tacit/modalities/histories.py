"""Histories of users as they are packed: ids of the items that each took, the oldest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from tacit.core import Layout, Raw, View
from tacit.errors import Unreadable
from tacit.modalities.catalogue import Catalogue, traits_of
from tacit.view import FIRST_WORD, PAUSES

Longs = npt.NDArray[np.int64]

SHORTEST = -32
"""Below which power of two of the log's unit of time pauses are not told apart: with `PAUSES` of them microseconds and
years both have a place, whatever that unit is."""

SIGN = "\x1f"
"""Stands between an item and what is known of its taking."""


class Record(NamedTuple):
    """One interaction of a user."""

    name: str
    time: float | None = None
    """When, in whatever the log counts by; None where it says the order alone."""
    event: str = ""
    value: float | None = None
    part: str = ""
    """train, val or test, where the log divides its interactions itself."""

    @classmethod
    def of(cls, line: str) -> Record:
        """As `written` writes it. Raises `ValueError`."""
        if SIGN not in line:
            return cls(line)
        name, time, event, value, part, *_ = *line.split(SIGN), "", "", ""
        return cls(name, float(time) if time else None, event, float(value) if value else None, part)


class HistoryLayout(Layout):
    """How the users of one set are packed: ids `[length]` of their latest items, 0 behind the end."""

    length: int = Field(ge=2, le=65_536)
    """L, items of a row."""
    vocabulary: int = Field(ge=FIRST_WORD + 2, le=2**30)
    """V, how many ids there are: those that stand for no item come first."""
    items: str
    """The items, a line each, in the order of their ids."""
    core: int = Field(default=1, ge=1)
    """k of the k-core that they are: items that fewer users took are none of them."""
    catalogue: Catalogue | None = None
    """What is known of the items and then of those in `cold`, an item a line; None: which ones they are."""
    cold: str = ""
    """Items that are kept out, a line each: they have no id, so that nothing that is learnt knows of them."""
    events: str = ""
    """The events that count, a line each; none: all of them."""
    least: float | None = None
    """The smallest value that counts; None: all of them."""
    moment: float | None = None
    """From when on what was taken tests; None: what each user took last does. A row then ends with the number of its
    items before that."""
    parts: str = ""
    """What the log itself says is judged: `test`, or `val` and `test`, a line each; none: it says nothing. A row then
    ends with a number as where a moment divides: one more than the items that training sees."""
    pauses: bool = False
    """Whether it is read how long before each item the one before it was taken. That stands behind the ids."""
    fixed: ClassVar[frozenset[str]] = frozenset(
        {"vocabulary", "items", "core", "catalogue", "cold", "events", "least", "moment", "parts", "pauses"}
    )

    @property
    def shape(self) -> tuple[int]:
        """`(L,)`, or `(2 L,)` where pauses are read, and one more where users are divided at a moment."""
        return ((2 if self.pauses else 1) * self.length + self.divided,)

    @property
    def divided(self) -> bool:
        """Whether something else than their last items tests users."""
        return self.moment is not None or bool(self.parts)

    @property
    def count(self) -> int:
        """How many items there are."""
        return self.vocabulary - FIRST_WORD

    @property
    def dtype(self) -> str:
        """numpy's name of the ids' type."""
        return "uint16" if max(self.vocabulary, self.length + 2) <= 2**16 else "int32"

    def brief(self) -> dict[str, object]:
        """The layout in short, to be read by people."""
        known: dict[str, object] = {"length": self.length, "items": self.count}
        known |= {"core": self.core} if self.core > 1 else {}
        known |= {"events": self.events.split("\n")} if self.events else {}
        known |= {"least value": self.least} if self.least is not None else {}
        known |= {"tests from": self.moment} if self.moment is not None else {}
        known |= {"tests by the column split": self.parts.split("\n")} if self.parts else {}
        known |= {"pauses": True} if self.pauses else {}
        return known | ({"features": [each.name for each in self.catalogue.columns]} if self.catalogue else {})

    def with_items(self, names: Sequence[str], facts: Sequence[str]) -> HistoryLayout:
        """The same with more items behind those that there are, of which `facts` are known, a line each."""
        assert self.catalogue is not None
        known = Catalogue(
            columns=self.catalogue.columns, facts="\n".join([*self.catalogue.lines[: self.count], *facts])
        )
        more = {"vocabulary": self.vocabulary + len(names), "items": "\n".join([self.items, *names])}
        return self.model_copy(update={**more, "catalogue": known, "cold": ""})


def written(records: Iterable[Record | str]) -> bytes:
    """A history as a raw sample: a line an item, behind its name what is known of when and how it was taken."""
    lines = []
    for record in records:
        name, *more = (record,) if isinstance(record, str) else record
        cells = ["" if cell is None else repr(cell) if isinstance(cell, float) else str(cell) for cell in more]
        lines.append(SIGN.join([name, *cells]).rstrip(SIGN))
    return "\n".join(lines).encode()


def records_of(raw: Raw) -> list[Record]:
    """What a user took, the oldest first. Raises `Unreadable`."""
    if isinstance(raw, np.ndarray):
        raise Unreadable("an array of numbers, where the items of a user are expected, a line each")
    try:
        lines = [line for line in raw.decode().split("\n") if line]
        found = [Record.of(line) for line in lines]
    except UnicodeDecodeError as error:
        raise Unreadable(f"no UTF-8 at byte {error.start:,}") from None
    except ValueError:
        raise Unreadable("a line of a history that was not written by tacit") from None
    if not found:
        raise Unreadable("it holds no item")
    return found


def items_of(raw: Raw) -> list[str]:
    """The names of a user's items, the oldest first. Raises `Unreadable`."""
    return [record.name for record in chosen(records_of(raw), "", None)]


def chosen(records: Iterable[Record], events: str, least: float | None) -> list[Record]:
    """Those that count: of some `events` (a line each; none: all) and of `least` value, an item at one time once."""
    asked = events.split("\n") if events else ()
    left: dict[tuple[str, float], Record] = {}
    for place, record in enumerate(records):
        if asked and record.event not in asked:
            continue
        if least is not None and (record.value is None or record.value < least):
            continue
        left.setdefault((record.name, place if record.time is None else record.time), record)
    return [*left.values()]


def taken(raw: Raw, layout: HistoryLayout) -> list[Record]:
    """What of a user's interactions counts for `layout`, items among it that it does not know. Raises `Unreadable`."""
    return chosen(records_of(raw), layout.events, layout.least)


@lru_cache(maxsize=8)
def numbers_of(items: str) -> dict[str, int]:
    """Name -> id, of the items of a layout."""
    return {name: number for number, name in enumerate(items.split("\n"), FIRST_WORD)}


def ids_of(raw: Raw, layout: HistoryLayout) -> Longs:
    """The ids of all items of a user that count and that the layout knows, the oldest first, `[T]`. Raises
    `Unreadable`."""
    return np.array([number for number, _ in _numbered(raw, layout)], np.int64)


def pauses_of(raw: Raw, layout: HistoryLayout) -> Longs:
    """How long before each of `ids_of` the one before it was taken, as `View.pauses` says it, `[T]`; zeros where the
    layout does not ask. Raises `Unreadable`, also where nothing says when."""
    return _paused([record for _, record in _numbered(raw, layout)], layout)


def _paused(records: Sequence[Record], layout: HistoryLayout) -> Longs:
    if not layout.pauses:
        return np.zeros(len(records), np.int64)
    times = [record.time for record in records if record.time is not None]
    if len(times) < len(records):
        raise Unreadable("it says the order alone, and how long users paused is read (modality.pauses): give times")
    return octaves(np.array(times, np.float64))


def octaves(times: npt.NDArray[np.float64]) -> Longs:
    """How long before each of the rising `times [T]` the one before it was, by powers of two: 0 for the first one, 1
    where it was at the same time, else from 2 on, below `PAUSES`; what is beyond either end counts as the last there.
    """
    pause = np.diff(times, prepend=times[:1])
    some = pause > 0
    found = np.ones(len(times), np.int64)
    found[some] = 2 + np.clip(np.rint(np.log2(pause[some])) - SHORTEST, 0, PAUSES - 3)
    found[:1] = 0
    return found


def early_of(raw: Raw, layout: HistoryLayout) -> tuple[int, int]:
    """How many of `ids_of` stand before what training does not see, and before the one that tests, where the layout
    divides users. Raises `Unreadable`."""
    records = [record for _, record in _numbered(raw, layout)]
    if layout.moment is None:
        last = layout.parts.split("\n")[-1]
        judged, tested = (
            next((place for place, record in enumerate(records) if record.part in parts), len(records))
            for parts in (layout.parts.split("\n"), [last])
        )
        chooses = last == layout.parts and tested < len(records)  # none is named that does: the one before
        return (max(0, judged - 1) if chooses else judged), tested
    early = sum(record.time is not None and record.time < layout.moment for record in records)
    return max(0, early - 1), early


def _numbered(raw: Raw, layout: HistoryLayout) -> list[tuple[int, Record]]:
    known = numbers_of(layout.items)
    return [(known[record.name], record) for record in taken(raw, layout) if record.name in known]


def read(raw: Raw, layout: HistoryLayout) -> npt.NDArray[np.generic]:
    """Ids of a user's latest items `[L]`, 0 behind the end; those that the layout does not know are left out. Then the
    pauses before these `[L]`, where they are read.

    Of a user of whom it knows none nothing is left. Raises `Unreadable`.
    """
    found = _numbered(raw, layout)
    ids = np.array([number for number, _ in found], np.int64)
    kept = ids[-layout.length :]
    packed = np.zeros(layout.shape, layout.dtype)
    packed[: len(kept)] = kept
    if layout.pauses:
        pauses = _paused([record for _, record in found], layout)[-layout.length :]
        packed[layout.length : layout.length + len(kept)] = pauses
    if layout.divided:
        early = early_of(raw, layout)[0] + 1 if layout.parts else early_of(raw, layout)[1]
        packed[-1] = max(0, early - (len(ids) - len(kept)))
    return packed


def collate(packed: Tensor, layout: HistoryLayout) -> View:
    """Ids `[B, L]` as long, and pauses, cut at the longest of the batch; where users are divided by time or by the log,
    places count from there: those that training never sees are not below -1, and the one at -1 is held out to choose
    by."""
    ids = packed[:, : layout.length].long()
    longest = max(1, int((ids != 0).sum(dim=1).max()) if len(ids) else 1)
    where = torch.arange(longest).expand(len(ids), longest)
    if layout.divided:
        where = where - packed[:, -1:].long()
    known = None if layout.catalogue is None else traits_of(layout.catalogue, layout.count)
    pauses = packed[:, layout.length : layout.length + longest].long() if layout.pauses else None
    ids = ids[:, :longest]
    return View(ids, ids != 0, where, vocabulary=layout.vocabulary, pauses=pauses, traits=known)


def within(packed: npt.NDArray[np.generic], layout: HistoryLayout, hold_out: int) -> npt.NDArray[np.bool_]:
    """Which of the packed users `[N, ...]` can be learnt from: without what is held out two items are left, and with it
    as many as the core asks for."""
    count = (packed[:, : layout.length] != 0).sum(axis=1)
    left = packed[:, -1].astype(np.int64) if layout.divided else count
    least = max(0, hold_out - 1) + 2 if layout.divided else hold_out + 2
    many: npt.NDArray[np.bool_] = (count >= min(layout.core, layout.length)) & (left >= min(least, layout.length))
    return many
