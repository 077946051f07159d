"""Samples that rows of tables name, each once: what pairs and queries are made of."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from tacit.core import Raw
from tacit.data.listing import NamesBuilder, Source, fingerprint, printable, read_file
from tacit.data.table import look


class Collected:
    """Numbers the samples that cells hold, or name as files, by first appearance; equal ones are one sample."""

    def __init__(self, suffixes: frozenset[str], *, held: bool) -> None:
        """`held`: whether cells hold samples themselves (texts); else they name files, which end with `suffixes`."""
        self._suffixes, self._held = suffixes, held
        self._rows: dict[str, int] = {}
        self._refused: dict[int, str] = {}
        self._paths: list[Path] = []
        self._names = NamesBuilder(3)

    def of(self, cell: str, name: str, folder: Path) -> int:
        """The number of the sample in `cell`: called `name` where it is held, else a path relative to `folder`."""
        path = folder / cell
        key = cell if self._held else os.path.normpath(path)
        if key in self._rows:
            return self._rows[key]
        row = self._rows[key] = len(self._rows)
        if self._held:
            self._names.add(os.fsencode(printable(name)), 0, 0, 0)
        else:
            marks, reason = look(path, self._suffixes)
            self._names.add(os.fsencode(cell), *marks)
            self._paths.append(path)
            if reason:
                self._refused[row] = reason
        return row

    def __len__(self) -> int:
        return len(self._rows)

    def source(self, title: str) -> Source:
        """The samples, unread."""
        names, marks = self._names.finish()
        texts = list(self._rows)
        digest = hashlib.sha256("\0".join(texts).encode(errors="surrogateescape")).digest()

        def read(row: int) -> Raw:
            return texts[row].encode() if self._held else read_file(self._paths[row])

        return Source(
            title=title,
            names=names,
            read=read,
            fingerprint=fingerprint("collected", names, np.frombuffer(digest, np.uint8), *marks),
            labels=np.full(len(texts), -1, np.int32),
            refused=self._refused,
        )
