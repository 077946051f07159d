"""Which kind of data DATA is, where nobody says so: by the names of files and of columns."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from tacit import interrupt
from tacit.core import Modality
from tacit.data import builtin
from tacit.data.lines import SENTENCES, WORDS, columns, ending, first_line
from tacit.data.listing import suffix
from tacit.data.table import PATH_COLUMNS, first_path

_LOOKED_AT = 1000
"""Files of a folder: enough to tell what most of them are."""
_OF_ANYTHING = frozenset({".npy"})
"""Formats that more than one modality reads: they tell nothing."""


def kind_of(data: str, modalities: Mapping[str, Modality]) -> str | None:
    """The name of the modality that reads DATA; None where nothing tells."""
    if data in builtin.KINDS:
        return builtin.KINDS[data]
    head, mark, column = data.rpartition("#")
    path = Path(head if mark and os.path.exists(head) else data)  # noqa: PTH110 - a NUL is no error to it
    try:
        if path.is_file():
            return _of_file(path, modalities, column if mark else None)
        kinds = (_of_document(file, modalities) for file in islice(_below(path), _LOOKED_AT))
        votes = Counter(kind for kind in kinds if kind)
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
    return own or _of_file(path, modalities, None)


def _named(name: str, modalities: Mapping[str, Modality]) -> str | None:
    """The modality that a file's suffix tells of; None where it tells nothing."""
    ending = suffix(name)
    return next((own for own, each in modalities.items() if ending in each.suffixes - _OF_ANYTHING), None)


def _of_file(path: Path, modalities: Mapping[str, Modality], column: str | None) -> str | None:
    recorded = {name: modality.records for name, modality in modalities.items() if modality.records is not None}
    match ending(path):
        case "":
            return _named(path.name, modalities)
        case ".txt":  # lines are paths of files of some kind, or samples themselves
            named = suffix(first_line(path).strip())
            lists = (name for name, each in modalities.items() if name not in recorded and named in each.suffixes)
            return next(lists, next(iter(recorded), None))
        case last if last in SENTENCES:
            return next(iter(recorded), None)
    have = columns(path)
    if ending(path) in (".csv", ".tsv") and set(have) & set(PATH_COLUMNS):
        return _named(first_path(path), modalities)
    held = next((name for name, records in recorded.items() if {column or records, WORDS} & set(have)), None)
    return held if ending(path) in (".jsonl", ".ndjson") or not set(have) & set(PATH_COLUMNS) else None
