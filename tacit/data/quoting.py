"""Quotes in tables: whether they are closed, and what stands in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tacit.console import counted
from tacit.data.listing import printable
from tacit.errors import DataError


class Quoted:
    """Lines of a table, and whether the quotes of its rows are closed: one that is not swallows all that follows."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._quotes, self._count, self._ended = 0, 0, False

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self._quotes, self._count = self._quotes + line.count('"'), self._count + 1
            yield line
        self._ended = True

    def must_be_closed(self, path: Path, number: int, *, plain: bool) -> None:
        """After row `number`: raises `DataError` where it has reached the end of the file inside of a quote.

        `plain`: quotes are characters like all others.
        """
        if not plain and self._ended and self._quotes % 2 and self._count > 1:
            raise DataError(
                f"{printable(str(path))} is no valid table: a quote that opens in row {number} is never closed, and "
                f"swallows the {counted(self._count - 1, 'lines')} behind it"
            )
        self._quotes = self._count = 0


def unquoted(cell: str) -> str:
    """A cell without the quotes around it. One that only opens is part of a text, as in the sets of the field."""
    inner = cell[1:-1].replace('""', "")
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner
    return cell[1:-1].replace('""', '"') if quoted else cell
