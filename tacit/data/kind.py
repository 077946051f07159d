"""Which kind of data DATA is, where nobody says so: by the names of files and of columns."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from tacit import interrupt
from tacit.core import Modality
from tacit.data import builtin
from tacit.data.lines import columns, ending, first_line
from tacit.data.listing import suffix
from tacit.data.log import ENDING as LOGS
from tacit.data.log import is_log
from tacit.data.table import PATH_COLUMNS, header_of
from tacit.data.tagged import SENTENCES, WORDS
from tacit.errors import DataError
from tacit.modalities.episodes import is_episode

_LOOKED_AT = 1000
"""Files of a folder: enough to tell what most of them are."""
_OF_ANYTHING = frozenset({".npy", ".npz", ".csv", ".tsv", ".parquet"})
"""Formats that hold anything, by themselves they tell nothing."""


def kind_of(data: str, modalities: Mapping[str, Modality]) -> str | None:
    """The name of the modality that reads DATA; None where nothing tells. Raises `DataError` for a damaged table."""
    if data in builtin.KINDS:
        return builtin.KINDS[data]
    head, mark, column = data.rpartition("#")
    path = Path(head if mark and os.path.exists(head) else data)  # noqa: PTH110 - a NUL is no error to it
    try:
        if "{" in data and not path.exists():  # shards
            return _named(path.name, modalities)
        if path.is_file():
            return _of_file(path, modalities, column if mark else None)
        kinds = (_of_document(file, modalities) for file in islice(_below(path), _LOOKED_AT))
        votes = Counter(kind for kind in kinds if kind)
    except DataError:
        raise
    except (OSError, ValueError):
        return None  # opening it will say why
    return votes.most_common(1)[0][0] if votes else None


def _below(folder: Path) -> Iterator[Path]:
    for home, _, names in os.walk(folder):
        interrupt.check()
        yield from (Path(home, name) for name in names if not name.startswith("."))


def _of_document(path: Path, modalities: Mapping[str, Modality]) -> str | None:
    """The kind of a file among others: as a sample, or as one of several tables."""
    own = _named(path.name, modalities)
    try:
        return own or _of_file(path, modalities, None)
    except DataError:
        return None


def _named(name: str, modalities: Mapping[str, Modality]) -> str | None:
    """The modality that a file's suffix tells of; None where it tells nothing."""
    found = suffix(name)
    return next((own for own, each in modalities.items() if found in each.suffixes - _OF_ANYTHING), None)


def _first_path(path: Path) -> str:
    """The first path in a table of paths; empty where it is none."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        header, delimiter = header_of(path.name, next(file, ""))
        names = [name.strip().lower() for name in header]
        column = next((names.index(name) for name in PATH_COLUMNS if name in names), 0 if len(names) == 1 else None)
        if column is None:
            return ""
        rows = [header] if suffix(header[column]) else csv.reader(file, delimiter=delimiter)
        return next((cells[column].strip() for cells in rows if column < len(cells)), "")


def _of_file(path: Path, modalities: Mapping[str, Modality], column: str | None) -> str | None:
    recorded = {name: modality.records for name, modality in modalities.items() if modality.records is not None}
    if suffix(path.name) == ".npz" and is_episode(path):
        return next((name for name, each in modalities.items() if each.moments), None)
    match ending(path):
        case "":
            return _named(path.name, modalities)
        case ".txt":  # lines are paths of files of some kind, or samples themselves
            named = suffix(first_line(path).strip())
            lists = (
                name
                for name, each in modalities.items()
                if name not in recorded and named in each.suffixes - _OF_ANYTHING - {".txt"}
            )
            return next(lists, next(iter(recorded), None))
        case last if last in SENTENCES:
            return next(iter(recorded), None)
    if ending(path) in (".csv", ".tsv"):
        listed = _named(_first_path(path), modalities)
        if listed is not None:
            return listed
    looked_for = {name: column or records for name, records in recorded.items()}
    held = next((name for name, wanted in looked_for.items() if {wanted, WORDS} & set(columns(path, wanted))), None)
    if ending(path) in (".jsonl", ".ndjson"):
        return held or next(
            iter(recorded), None
        )  # nothing else stands in such lines; opening them says what is missing
    header = columns(path, "")
    if held is None and is_log(header):
        return next((name for name, each in modalities.items() if LOGS in each.suffixes), None)
    return held if not set(header) & set(PATH_COLUMNS) else None
