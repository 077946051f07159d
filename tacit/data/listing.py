"""What a source is: names, a way to read each sample, and what the source says about labels, splits and groups."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tacit.core import Raw
from tacit.data.annotation import Annotations
from tacit.errors import Unreadable

MAX_BYTES = 256 * 2**20
"""The largest file or archive member that is read as one sample."""
PARTS = ("train", "val", "test")
NO_PART = -1
SPLIT_NAMES = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "dev": 1, "test": 2, "testing": 2}

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]


class Names:
    """Names of samples as one block of bytes with offsets: ten million of them take their length and 8 bytes each.

    A name is what the operating system or the archive says; bytes that are no UTF-8 become surrogates (PEP 383), so
    use `printable` before writing one anywhere.
    """

    def __init__(self, blob: bytes | bytearray, ends: Longs) -> None:
        """`blob`: all names, one after the other; `ends [N]`: where each one ends."""
        self.blob = blob
        self.ends = ends

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, row: int) -> str:
        return os.fsdecode(self.encoded(row))

    def __iter__(self) -> Iterator[str]:
        return (self[row] for row in range(len(self)))

    def encoded(self, row: int) -> bytes:
        """The name's bytes."""
        start = int(self.ends[row - 1]) if row else 0
        return bytes(self.blob[start : int(self.ends[row])])

    def take(self, rows: Longs) -> Names:
        """The names of `rows`, in their order."""
        import pyarrow

        indices = [None, pyarrow.py_buffer(np.ascontiguousarray(rows, np.int64))]
        return self._of(self._arrow().take(pyarrow.Array.from_buffers(pyarrow.int64(), len(rows), indices)))

    def joined(self, others: Names) -> Names:
        """Each name with the one of `others` behind it."""
        import pyarrow.compute

        separator = pyarrow.scalar(b"", pyarrow.large_binary())
        return self._of(pyarrow.compute.binary_join_element_wise(self._arrow(), others._arrow(), separator))

    def sorted(self) -> tuple[Names, Longs]:
        """The names in the order of their bytes, and the rows where they stood."""
        import pyarrow.compute

        names = self._arrow()
        order = pyarrow.compute.array_sort_indices(names)
        rows = np.frombuffer(order.buffers()[1], np.uint64, len(names))  # `to_numpy` would import pandas
        return self._of(names.take(order)), rows.astype(np.int64)

    def _arrow(self) -> Any:
        import pyarrow

        offsets = np.concatenate([np.zeros(1, np.int64), self.ends])
        buffers = [None, pyarrow.py_buffer(offsets), pyarrow.py_buffer(self.blob)]
        return pyarrow.LargeBinaryArray.from_buffers(pyarrow.large_binary(), len(self), buffers)

    @staticmethod
    def _of(taken: Any) -> Names:
        _, offsets, blob = taken.buffers()
        ends = np.frombuffer(offsets, np.int64, len(taken) + 1)[1:]
        return Names(blob.to_pybytes() if blob is not None else b"", ends)


class NamesBuilder:
    """Collects names, and a few whole numbers beside each, without a Python object for every one of them."""

    def __init__(self, columns: int) -> None:
        """`columns`: how many numbers come with each name."""
        self._blob = bytearray()
        self._ends = array("q")
        self._columns = [array("q") for _ in range(columns)]

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, name: bytes, *numbers: int) -> None:
        """One more name with its numbers."""
        self._blob += name
        self._ends.append(len(self._blob))
        for column, number in zip(self._columns, numbers, strict=True):
            column.append(number)

    def finish(self) -> tuple[Names, list[Longs]]:
        """The names and their numbers, a long array `[N]` a column."""
        columns = [np.array(column, np.int64) for column in self._columns]
        return Names(self._blob, np.array(self._ends, np.int64)), columns


@dataclass(frozen=True, eq=False)
class Source:
    """Samples where they lie, unread. N is their number."""

    title: str
    """What the user called it."""
    names: Names
    read: Callable[[int], Raw]
    """Row -> the sample's bytes or array; raises `Unreadable` or `OSError`. Safe to call from several threads."""
    fingerprint: str
    """Changes when names, sizes, times or checksums change: a key that costs no reading of samples."""
    labels: Ints
    """`[N]`, index into `classes`, -1 where there is none."""
    classes: tuple[str, ...] = ()
    splits: npt.NDArray[np.int8] | None = None
    """`[N]`, index into `PARTS` or -1; None where the source says nothing about splits."""
    groups: Ints | None = None
    """`[N]`, index into `group_names` or -1."""
    group_names: Names | None = None
    folds: Ints | None = None
    """`[N]`, index into `fold_names` or -1: parts that are tested in turn."""
    fold_names: Names | None = None
    refused: Mapping[int, str] = field(default_factory=dict)
    """Row -> why it is not read."""
    others: Mapping[str, int] = field(default_factory=dict)
    """Suffix -> how many files with it were passed over."""
    annotations: Annotations | None = None
    """What was drawn on the samples or written down of them; None where the source holds none."""
    notes: tuple[str, ...] = ()
    """What the user should know."""
    stretches: Ints | None = None
    """`[N]`, equal for samples that follow each other in time and together are one series; None: each is a whole."""
    times: Callable[[int], Sequence[object]] | None = None
    """Row -> when each of its steps was, as it is written, empty where it is not; None where the source never says."""
    marks: Callable[[int], npt.NDArray[np.bool_]] | None = None
    """Row -> which of its steps are marked as anomalies; None where the source does not say."""
    even: Callable[[str], Source] | None = None
    """How far steps are to be apart, such as `10m` -> the same samples at even steps; None where only a sample's own
    file knows its times (see `timed.timed`)."""
    in_order: bool = False
    """Whether rows are cheap to read in rising order alone: then one thread reads, and the others decode."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def together(self) -> tuple[str, Ints, Names] | None:
        """What is never on both sides of a split: groups, or folds where there are none; its column, and as above."""
        if self.groups is not None and self.group_names is not None:
            return "group", self.groups, self.group_names
        if self.folds is not None and self.fold_names is not None:
            return "fold", self.folds, self.fold_names
        return None

    def name(self, row: int) -> str:
        """The sample's name."""
        return self.names[row]

    def raw(self, row: int) -> Raw:
        """The sample as it lies there. Raises `Unreadable` with the reason."""
        if row in self.refused:
            raise Unreadable(self.refused[row])
        try:
            return self.read(row)
        except OSError as error:
            raise Unreadable((error.strerror or str(error)).lower()) from None
        except MemoryError:
            raise Unreadable("too large for the memory") from None


def read_file(path: Path | bytes) -> bytes:
    """A file's bytes. Raises `OSError`, or `Unreadable` where it is no ordinary file or too large."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe must not block
    try:
        status = os.fstat(descriptor)
        if not is_file(status):
            raise Unreadable("not an ordinary file")
        if status.st_size > MAX_BYTES:
            raise Unreadable(too_large(status.st_size))
        # no more is asked for than there is, since room for all of it is made first; some systems do not say
        left, held = status.st_size or MAX_BYTES, []
        while left and (some := os.read(descriptor, left)):
            held.append(some)
            left -= len(some)
        return b"".join(held)
    finally:
        os.close(descriptor)


def is_file(status: os.stat_result) -> bool:
    """Whether it is an ordinary file: no folder, pipe, socket or device."""
    return (status.st_mode & 0o170000) == 0o100000


def too_large(size: int) -> str:
    """Why a file of `size` bytes is not read."""
    return f"{size / 2**20:.0f} MiB, more than the limit of {MAX_BYTES // 2**20} MiB a sample"


def suffix(name: str | bytes) -> str:
    """The lower-case suffix with its dot; empty where there is none."""
    text = os.fsdecode(name)
    return os.path.splitext(text)[1].lower()  # noqa: PTH122 - pathlib is 10 times slower, and lists are long


def hidden(name: bytes) -> bool:
    """Whether a part of the relative path `name` starts with a dot or is macOS's `__MACOSX`."""
    return any(part.startswith(b".") or part == b"__MACOSX" for part in name.split(b"/") if part not in (b".", b".."))


def printable(name: str) -> str:
    """The name in one line that any terminal and any UTF-8 file can hold."""
    if name.isprintable():  # as nearly all are, of what may be millions
        return name
    return "".join(
        f"\\x{ord(character) - 0xDC00:02x}"
        if "\udc80" <= character <= "\udcff"
        else (character if character.isprintable() else repr(character)[1:-1])
        for character in name
    )


def describe(counts: Mapping[str, int], limit: int = 5) -> str:
    """Counted suffixes in words: `.heic 10, .txt 2`."""
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{printable(name) or 'none'} {count:,}" for name, count in ranked[:limit])


def fingerprint(kind: str, names: Names, *columns: npt.NDArray[Any]) -> str:
    """A key for a listing: the hash of its names and of the numbers that change with the contents."""
    digest = hashlib.sha256(kind.encode())
    for part in (names.blob, names.ends, *columns):
        block = np.ascontiguousarray(np.frombuffer(part, np.uint8) if isinstance(part, bytes | bytearray) else part)
        digest.update(str(block.nbytes).encode() + b":")
        digest.update(block.view(np.uint8).data if block.size else b"")
    return digest.hexdigest()


def stamp(status: os.stat_result) -> tuple[int, int, int]:
    """(size, mtime, ctime in ns): what changes when a file does. Tools can set mtime back, but not ctime."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def number_classes(values: list[str | None]) -> tuple[Ints, tuple[str, ...]]:
    """Names of classes -> their numbers `[len(values)]` (-1 for None) and the classes, in order.

    Whole numbers are ordered as numbers, everything else as text.
    """
    names = {value for value in values if value is not None}
    numeric = all(name.lstrip("-").isdecimal() and name.isascii() for name in names)
    classes = tuple(sorted(names, key=lambda name: (int(name), name)) if numeric else sorted(names))
    code = {name: number for number, name in enumerate(classes)}
    return np.array([-1 if value is None else code[value] for value in values], np.int32), classes
