"""Histories of users as they are packed: ids of the items that each took, the oldest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from tacit import interrupt
from tacit.core import Layout, Raw, View
from tacit.errors import DataError, Unreadable
from tacit.modalities.catalogue import Catalogue, catalogue_of, traits_of
from tacit.modalities.item_table import ItemTable
from tacit.view import FIRST_WORD

LONGEST = 1024
"""Items that a row keeps of a user, unless another length is asked for."""
Longs = npt.NDArray[np.int64]


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
    fixed: ClassVar[frozenset[str]] = frozenset({"vocabulary", "items", "core", "catalogue", "cold"})

    @property
    def shape(self) -> tuple[int]:
        """`(L,)`."""
        return (self.length,)

    @property
    def count(self) -> int:
        """How many items there are."""
        return self.vocabulary - FIRST_WORD

    @property
    def dtype(self) -> str:
        """numpy's name of the ids' type."""
        return "uint16" if self.vocabulary <= 2**16 else "int32"

    def brief(self) -> dict[str, object]:
        """The layout in short, to be read by people."""
        known: dict[str, object] = {"length": self.length, "items": self.count}
        known |= {"core": self.core} if self.core > 1 else {}
        return known | ({"features": [each.name for each in self.catalogue.columns]} if self.catalogue else {})

    def with_items(self, names: Sequence[str], facts: Sequence[str]) -> HistoryLayout:
        """The same with more items behind those that there are, of which `facts` are known, a line each."""
        assert self.catalogue is not None
        known = Catalogue(
            columns=self.catalogue.columns, facts="\n".join([*self.catalogue.lines[: self.count], *facts])
        )
        more = {"vocabulary": self.vocabulary + len(names), "items": "\n".join([self.items, *names])}
        return self.model_copy(update={**more, "catalogue": known, "cold": ""})


def written(items: Sequence[str]) -> bytes:
    """A history as a raw sample."""
    return "\n".join(items).encode()


def items_of(raw: Raw) -> list[str]:
    """The names of a user's items, the oldest first. Raises `Unreadable`."""
    if isinstance(raw, np.ndarray):
        raise Unreadable("an array of numbers, where the items of a user are expected, a line each")
    try:
        found = [name for name in raw.decode().split("\n") if name]
    except UnicodeDecodeError as error:
        raise Unreadable(f"no UTF-8 at byte {error.start:,}") from None
    if not found:
        raise Unreadable("it holds no item")
    return found


@lru_cache(maxsize=8)
def numbers_of(items: str) -> dict[str, int]:
    """Name -> id, of the items of a layout."""
    return {name: number for number, name in enumerate(items.split("\n"), FIRST_WORD)}


def ids_of(raw: Raw, layout: HistoryLayout) -> Longs:
    """The ids of all items of a user that the layout knows, the oldest first, `[T]`. Raises `Unreadable`."""
    known = numbers_of(layout.items)
    return np.array([known[name] for name in items_of(raw) if name in known], np.int64)


def survey(
    raws: Iterable[Raw], core: int, length: int | None, table: ItemTable | None = None, cold: float = 0.0
) -> HistoryLayout:
    """The items of `raws`, in an order that says nothing, and the length of the longest, up to 1,024.

    `table`: what is known of them; `cold`: the share of them, by a hash of the name, that is kept out.
    Raises `DataError` where there are fewer than two items, or none are left of the `core`.
    """
    histories = []
    for raw in raws:
        interrupt.check()
        try:
            histories.append(items_of(raw))
        except Unreadable:
            continue  # it is listed when the set is packed
    total = {name for history in histories for name in history}
    if len(total) < 2:
        raise DataError(f"{len(total)} item in {len(histories):,} histories: there is nothing to tell apart")
    kept = _core(histories, core)
    if len(kept) < 2:
        raise DataError(
            f"of {len(total):,} items {len(kept)} are left of the {core}-core: ask for a smaller one (modality.core)"
        )
    longest = max(sum(name in kept for name in history) for history in histories)
    items = _shuffled(kept)
    out = [name for name in items if table and name in table.rows and _place(f"cold {name}") < cold]
    items = [name for name in items if name not in set(out)]
    if len(items) < 2:
        raise DataError(f"of {len(kept):,} items {len(items)} are left to learn from: keep fewer out (modality.cold)")
    return HistoryLayout(
        length=length or min(LONGEST, max(8, longest)),
        vocabulary=FIRST_WORD + len(items),
        items="\n".join(items),
        core=core,
        catalogue=catalogue_of(table, items, out) if table else None,
        cold="\n".join(out),
    )


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


def read(raw: Raw, layout: HistoryLayout) -> npt.NDArray[np.generic]:
    """Ids of a user's latest items `[L]`, 0 behind the end; those that the layout does not know are left out.

    Of a user of whom it knows none nothing is left. Raises `Unreadable`.
    """
    kept = ids_of(raw, layout)[-layout.length :]
    packed = np.zeros(layout.length, layout.dtype)
    packed[: len(kept)] = kept
    return packed


def collate(packed: Tensor, layout: HistoryLayout) -> View:
    """Ids `[B, L]` as long, cut at the longest of the batch."""
    ids = packed.long()
    longest = max(1, int((ids != 0).sum(dim=1).max()) if len(ids) else 1)
    where = torch.arange(longest).expand(len(ids), longest)
    known = None if layout.catalogue is None else traits_of(layout.catalogue, layout.count)
    return View(ids[:, :longest], ids[:, :longest] != 0, where, vocabulary=layout.vocabulary, traits=known)


def within(packed: npt.NDArray[np.generic], layout: HistoryLayout, hold_out: int) -> npt.NDArray[np.bool_]:
    """Which of the packed users `[N, L]` can be learnt from: without the last `hold_out` items two are left, and as
    many as the core asks for with them."""
    least = max(hold_out + 2, layout.core)
    many: npt.NDArray[np.bool_] = (packed != 0).sum(axis=1) >= min(least, layout.length)
    return many
