"""Series, where a file may hold one of them or many: which of the two it is, is told by its name and its columns."""

from __future__ import annotations

from pathlib import Path

from tacit.data.lines import columns, first_line
from tacit.data.listing import Source, suffix
from tacit.data.long import is_long, open_long
from tacit.data.shards import below
from tacit.data.table import PATH_COLUMNS, header_of
from tacit.data.ts import open_ts

ENDING = ".ts"
"""The format that tells series from all else: who reads it, reads tables as series, too."""


def open_series(path: Path) -> Source | None:
    """The series of `.ts` files, in a folder or alone, or of a table of many; None for everything else."""
    if path.is_dir():
        found = below(path, ENDING)
        return open_ts(str(path), found) if found else None
    if suffix(path.name) == ENDING:
        return open_ts(str(path), [path])
    if suffix(path.name) in (".csv", ".tsv", ".parquet") and is_long(columns(path, "")):
        return open_long(path)
    return None


def is_list(path: Path, suffixes: frozenset[str]) -> bool:
    """Whether a table or a text names files, rather than being a sample itself."""
    if suffix(path.name) not in (".csv", ".tsv", ".txt"):
        return False
    first = first_line(path)
    if suffix(path.name) == ".txt":
        return suffix(first.strip()) in suffixes
    header, _ = header_of(path.name, first)
    names = {name.strip().lower() for name in header}
    return bool(names & set(PATH_COLUMNS)) or any(suffix(name.strip()) in suffixes for name in header)
