"""A folder of files; and what folders say about splits and classes, in archives as well."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tacit import interrupt
from tacit.data.listing import (
    NO_PART,
    SPLIT_NAMES,
    Ints,
    Names,
    NamesBuilder,
    Source,
    fingerprint,
    hidden,
    is_file,
    number_classes,
    printable,
    read_file,
    stamp,
    suffix,
)
from tacit.errors import DataError

Directory = tuple[bytes, ...]


def open_folder(path: Path, suffixes: frozenset[str]) -> Source:
    """The files below `path` whose suffix is among `suffixes`, in the order of their names' bytes.

    Links are followed; each folder is visited once, as itself where it can be reached without a link, so loops end.
    Hidden files and folders are passed over.
    """
    found = _Walk(path, suffixes)
    found.run()
    names, (size, mtime, ctime, reason) = found.builder.finish()
    names, order = names.sorted()
    refused = {int(row): found.reasons[reason[order[row]]] for row in np.flatnonzero(reason[order] >= 0)}
    labels, classes, splits = organise(names, refused)
    root = os.path.join(os.fsencode(path), b"")  # noqa: PTH118 - pathlib takes half as long as reading a small file
    return Source(
        title=str(path),
        names=names,
        read=lambda row: read_file(root + names.encoded(row)),
        fingerprint=fingerprint("folder", names, size[order], mtime[order], ctime[order]),
        labels=labels,
        classes=classes,
        splits=splits,
        refused=refused,
        others=found.others,
    )


class _Walk:
    """One walk through a folder: what was found so far."""

    def __init__(self, root: Path, suffixes: frozenset[str]) -> None:
        self.root = root
        self.suffixes = suffixes
        self.builder = NamesBuilder(4)
        self.reasons: list[str] = []
        self.others: Counter[str] = Counter()
        self._seen: set[tuple[int, int]] = set()
        self._links: list[bytes] = []

    def run(self) -> None:
        """Real folders first; then what only links lead to."""
        self._tree(b"")
        while self._links:
            self._tree(self._links.pop(0))

    def _tree(self, start: bytes) -> None:
        pending = [start]
        while pending:
            interrupt.check()
            folder = pending.pop()
            try:
                pending += self._enter(folder)
            except OSError as error:
                if not folder:
                    raise DataError(
                        f"{printable(str(self.root))} cannot be read: {(error.strerror or str(error)).lower()}"
                    ) from None
                self._refuse(folder + b"/", error)

    def _enter(self, folder: bytes) -> list[bytes]:
        """List one folder; returns the folders in it."""
        path = self.root / os.fsdecode(folder)
        status = path.stat()
        if (status.st_dev, status.st_ino) in self._seen:
            return []
        self._seen.add((status.st_dev, status.st_ino))
        below = []
        with os.scandir(os.fsencode(path)) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if hidden(entry.name):
                    continue
                name = folder + b"/" + entry.name if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    below.append(name)
                elif _leads_to_folder(entry):
                    self._links.append(name)
                else:
                    self._file(name, entry)
        return below

    def _file(self, name: bytes, entry: os.DirEntry[bytes]) -> None:
        ending = suffix(entry.name)
        if ending not in self.suffixes:
            self.others[ending] += 1
            return
        try:
            status = entry.stat()
        except OSError as error:
            self._refuse(name, error)
            return
        if is_file(status):
            self.builder.add(name, *stamp(status), -1)
        else:
            self._refuse(name, OSError(0, "not an ordinary file"))

    def _refuse(self, name: bytes, error: OSError) -> None:
        self.builder.add(name, 0, 0, 0, len(self.reasons))
        self.reasons.append((error.strerror or str(error)).lower())


def _leads_to_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: reading it as a file will say so
        return False


def organise(names: Names, refused: Mapping[int, str]) -> tuple[Ints, tuple[str, ...], npt.NDArray[np.int8] | None]:
    """Labels `[N]`, classes and splits `[N]` as the directories in the names tell them; refused rows tell nothing.

    A directory with a `train` (or `training`) and a `val` or `test` in it holds splits; `train` alone may well be a
    class. The class is the last directory below the split, unless that is the same everywhere (`n01/images/x.jpg`);
    what lies beside the splits has none.
    """
    numbers: dict[bytes, int] = {b"": 0}
    rows = np.zeros(len(names), np.int32)
    for row in range(len(names)):
        if row not in refused:
            rows[row] = numbers.setdefault(names.encoded(row).rpartition(b"/")[0], len(numbers))
    directories = [tuple(part for part in folder.split(b"/") if part not in (b"", b".")) for folder in numbers]
    inner, splits = _splits(directories)
    codes, classes = number_classes([None if not last else os.fsdecode(last) for last in _classes(inner)])
    return codes[rows], classes, None if splits is None else splits[rows]


def _splits(directories: list[Directory]) -> tuple[list[Directory], npt.NDArray[np.int8] | None]:
    """The directories below their split, and each one's split; None where there are no splits."""
    inside: dict[Directory, set[int]] = {}
    for directory in directories:
        for depth, part in enumerate(directory):
            if _split(part) != NO_PART:
                inside.setdefault(directory[:depth], set()).add(_split(part))
    holders = {directory for directory, found in inside.items() if 0 in found and len(found) > 1}
    if not holders:
        return directories, None
    below: list[Directory] = []
    codes = []
    for directory in directories:
        depths = [d for d, part in enumerate(directory) if directory[:d] in holders and _split(part) != NO_PART]
        below.append(directory[depths[0] + 1 :] if depths else ())
        codes.append(_split(directory[depths[0]]) if depths else NO_PART)
    return below, np.array(codes, np.int8)


def _split(part: bytes) -> int:
    return SPLIT_NAMES.get(os.fsdecode(part).lower(), NO_PART)


def _classes(directories: list[Directory]) -> list[bytes]:
    """Each directory's class: its last part, after dropping a last part that all share."""
    while len({path[-1] for path in directories if path}) == 1 and len({p[-2] for p in directories if len(p) > 1}) > 1:
        directories = [path[:-1] for path in directories]
    return [path[-1] if path else b"" for path in directories]
