"""What is known of items beside who took them: a table of features as sparse terms, `[V, K]`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch

from tacit import interrupt
from tacit.config import Config
from tacit.errors import DataError
from tacit.modalities.item_table import Cells, ItemTable
from tacit.view import FIRST_WORD, Traits

FEWEST = 2
"""Items that a category or a word is said of: what is said of one alone is known by which item it is."""
MOST = 2**16
"""Categories or words of a column, the most frequent."""
WORDY = 3
"""Words in the middle cell of a column from which on it is a text rather than a category."""
FAR = 5.0
"""Standard deviations beyond which a number says no more."""
_WORD = re.compile(r"\w+")


class Column(Config):
    """How the cells of one column are read."""

    name: str
    kind: Literal["number", "category", "words"]
    mean: float = 0.0
    spread: float = 1.0
    values: str = ""
    """The categories or words that count, a line each."""

    @property
    def width(self) -> int:
        """How many of the K terms are its own."""
        return 1 if self.kind == "number" else self.values.count("\n") + 1


class Catalogue(Config):
    """The columns, and what they say of some items."""

    columns: tuple[Column, ...]
    facts: str
    """A line an item: its terms as `place:value`, joined by spaces."""

    @property
    def lines(self) -> Sequence[str]:
        """One an item."""
        return self.facts.split("\n")


def catalogue_of(table: ItemTable, items: Sequence[str], cold: Sequence[str] = ()) -> Catalogue:
    """What `table` says of `items`, from which its columns are read, and then of those that are kept out, `cold`.

    Raises `DataError` where it says nothing.
    """
    if not any(name in table.rows for name in items):
        raise DataError(
            f"{table.title} describes none of the {len(items):,} items of the log: it names them as "
            f"{next(iter(table.rows), 'nothing')!r}, the log as {items[0]!r}"
        )
    columns = [found for name, cells in table.columns.items() if (found := _column(name, cells, table, items))]
    if not columns:
        raise DataError(
            f"no column of {table.title} tells items apart: a category counts that two items have, a number that is "
            "not always the same"
        )
    lines = facts_of(columns, table, [*items, *cold])
    return Catalogue(columns=tuple(columns), facts="\n".join(lines))


def _column(name: str, cells: Cells, table: ItemTable, items: Sequence[str]) -> Column | None:
    """How the column is read, by its cells of `items`; None where it says nothing of them."""
    interrupt.check()
    own = [cells.values[table.rows[item]] for item in items if item in table.rows]
    if cells.kind == "number":
        known = np.array([value for value in map(_number, own) if value is not None])
        if not len(known) or known.min() == known.max():
            return None
        return Column(name=name, kind="number", mean=float(known.mean()), spread=float(known.std()))
    kind = _told(own) if cells.kind is None else cells.kind
    counts = Counter(term for cell in own for term in _terms(kind, cell))
    kept = sorted((-count, term) for term, count in counts.items() if count >= FEWEST)[:MOST]
    return Column(name=name, kind=kind, values="\n".join(sorted(term for _, term in kept))) if kept else None


def _told(cells: Sequence[Any]) -> Literal["category", "words"]:
    """Whether texts name categories or say something."""
    texts = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
    lengths = sorted(len(_WORD.findall(text)) for text in texts if "|" not in text)
    return "words" if 2 * len(lengths) > len(texts) and lengths[len(lengths) // 2] >= WORDY else "category"


def _terms(kind: str, cell: Any) -> Sequence[str]:
    """The categories or words of a cell, each once."""
    if cell is None:
        return ()
    if kind == "words":
        return tuple(dict.fromkeys(_WORD.findall(str(cell).lower())))
    parts = cell if isinstance(cell, list | tuple) else str(cell).split("|")
    plain = (" ".join(str(part).split()) for part in parts if part is not None)
    return tuple(dict.fromkeys(part for part in plain if part))


def _number(cell: Any) -> float | None:
    return float(cell) if cell is not None and np.isfinite(float(cell)) else None


def facts_of(columns: Sequence[Column], table: ItemTable, names: Sequence[str]) -> Sequence[str]:
    """A line for each item of `names`, empty where `table` does not describe it."""
    parts: list[list[str]] = [[] for _ in names]
    first = 0
    for column in columns:
        interrupt.check()
        cells = table.columns.get(column.name)
        places = _places(column.values)
        for line, name in zip(parts, names, strict=True):
            row = table.rows.get(name)
            if cells is not None and row is not None:
                line += _written(column, cells.values[row], places, first)
        first += column.width
    return [" ".join(line) for line in parts]


def _written(column: Column, cell: Any, places: Mapping[str, int], first: int) -> Sequence[str]:
    """The terms of a cell; those of a list are the smaller the longer it is, so that items are of one length."""
    if column.kind == "number":
        value = _number(cell)
        if value is None:
            return ()
        return (f"{first}:{min(FAR, max(-FAR, (value - column.mean) / column.spread)):.4g}",)
    found = [places[term] for term in _terms(column.kind, cell) if term in places]
    return [f"{first + place}:{len(found) ** -0.5:.4g}" for place in found]


def _places(values: str) -> Mapping[str, int]:
    return {term: place for place, term in enumerate(values.split("\n"))}


@lru_cache(maxsize=8)
def traits_of(catalogue: Catalogue, count: int) -> Traits:
    """What is known of the ids of a layout with `count` items."""
    starts = [0] * FIRST_WORD
    places: list[int] = []
    values: list[float] = []
    for line in catalogue.lines[:count]:
        starts.append(len(places))
        for term in line.split():
            place, _, value = term.partition(":")
            places.append(int(place))
            values.append(float(value))
    width = sum(column.width for column in catalogue.columns)
    return Traits(torch.tensor(starts), torch.tensor(places, dtype=torch.long), torch.tensor(values), width)
