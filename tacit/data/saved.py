"""A Hugging Face data set as `save_to_disk` writes it: Arrow files, mapped into memory; `datasets` is not needed."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tacit import interrupt
from tacit.data.columns import Columns, choose
from tacit.data.listing import NO_PART, SPLIT_NAMES, Source, printable, stamp
from tacit.data.rows import Shard, assemble
from tacit.data.shards import none_readable
from tacit.errors import DataError, Unreadable

_SET, _STATE, _PARTS = "dataset_info.json", "state.json", "dataset_dict.json"
_RELEASE_BYTES = 256 * 2**20


def is_saved(folder: Path) -> bool:
    """Whether a folder is a data set, or a dictionary of them, as `save_to_disk` writes it."""
    return (folder / _PARTS).is_file() or all((folder / name).is_file() for name in (_SET, _STATE))


def open_saved(title: str, folder: Path, column: str | None = None) -> Source:
    """The rows of a data set on disk, or of all parts of a dictionary of data sets.

    Classes are named by the data set's own features. A file that cannot be read is listed as one sample that cannot be.

    Raises:
        DataError: a description is damaged, no file can be read, or the columns are not as needed.
    """
    named = _json(folder / _PARTS).get("splits") if (folder / _PARTS).is_file() else None
    homes = {str(name): folder / _inside(str(name)) for name in named} if isinstance(named, list) else {"": folder}
    shards: list[_ArrowShard] = []
    codes: list[int] = []
    broken: dict[str, str] = {}
    for part, home in homes.items():
        for path in _files(home):
            interrupt.check()
            try:
                shards.append(_ArrowShard(path))
                codes.append(SPLIT_NAMES.get(part.lower(), NO_PART))
            except Unreadable as error:
                broken[printable(str(path))] = str(error)
    if not shards:
        raise none_readable(title, broken)
    features = _json(next(iter(homes.values())) / _SET).get("features")
    columns = choose(title, shards[0].schema, column, features if isinstance(features, dict) else {})
    broken |= {shard.title: why for shard in shards if (why := columns.misfit(shard.schema))}
    fitting = [number for number, shard in enumerate(shards) if shard.title not in broken]
    for number in fitting:
        shards[number].samples = columns.samples
    told = np.array(codes, np.int8)[fitting]
    return assemble(
        title,
        "arrow",
        [shards[number] for number in fitting],
        columns,
        parts=told if (told != NO_PART).any() else None,
        broken=broken,
        in_order=False,
    )


def _files(home: Path) -> list[Path]:
    listed = _json(home / _STATE).get("_data_files")
    if not isinstance(listed, list) or not all(isinstance(entry, dict) and "filename" in entry for entry in listed):
        raise DataError(f"{printable(str(home / _STATE))} names no data files: save the data set again")
    return [home / _inside(str(entry["filename"])) for entry in listed]


def _inside(name: str) -> str:
    """A name that stays in its folder. Raises `DataError` for others."""
    if not name or name != os.path.basename(name) or name in (".", ".."):  # noqa: PTH119 - a path would tidy it up
        raise DataError(f"{printable(name)!r} leads out of the data set's folder: save the data set again")
    return name


def _json(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{printable(str(path))} cannot be read: {error}. Save the data set again") from None
    if not isinstance(loaded, dict):
        raise DataError(f"{printable(str(path))} is no description of a data set: save the data set again")
    return loaded


class _ArrowShard(Shard):
    """One Arrow file, mapped: any row is read where it lies. Pages that were read are handed back."""

    samples: str
    """The column of samples, once it is known."""

    def __init__(self, path: Path) -> None:
        """Raises `Unreadable`."""
        import pyarrow

        self.title = str(path)
        try:
            with path.open("rb") as file:
                self.marks = stamp(os.fstat(file.fileno()))
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            with pyarrow.ipc.open_stream(pyarrow.py_buffer(self._map)) as stream:
                self.schema = stream.schema
                self._batches = list(stream)
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise Unreadable(f"damaged file: {' '.join(str(error).split())[:120]}") from None
        self._starts = np.cumsum([0, *(batch.num_rows for batch in self._batches)])
        self.rows = int(self._starts[-1])
        self._touched = 0

    def light(self, columns: Columns) -> Iterator[Any]:
        yield from self._batches

    def cell(self, row: int) -> Any:
        self._touched += len(self._map) // self.rows  # several threads may lose an addition: it only delays
        if self._touched > _RELEASE_BYTES:
            self._touched = 0
            self._map.madvise(mmap.MADV_DONTNEED)
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._batches[number].column(self.samples)[row - int(self._starts[number])]
