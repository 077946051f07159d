"""Parquet files with the samples' bytes in a column: read row group by row group, never as a whole."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tacit import interrupt
from tacit.data.archive import MAX_RATIO, RATIO_MATTERS
from tacit.data.columns import Columns, choose
from tacit.data.listing import Source, printable, stamp
from tacit.data.rows import Shard, assemble
from tacit.data.shards import none_readable, parts
from tacit.errors import Unreadable

_BATCH_BYTES = 8 * 2**20
_BUFFER = 2**20  # read from the file at a time


def open_parquet(title: str, paths: Sequence[Path], column: str | None = None) -> Source:
    """The rows of Parquet files that follow each other, in their order; the first one says what its columns are.

    Columns: the one of bytes (`column` where there are several); if present `label`, `split`, `group`, `fold` and a
    name, as in a list of files. Files named `train...`, `val...`, `test...` are parts. A file that cannot be read is
    listed as one sample that cannot be.

    Raises:
        DataError: no file can be read, or the columns are not as needed.
    """
    broken: dict[str, str] = {}
    shards: list[Shard] = []
    columns: Columns | None = None
    for path in paths:
        interrupt.check()
        try:
            with _open(path) as file:
                columns = columns or choose(title, file.schema_arrow, column)
                misfit = columns.misfit(file.schema_arrow)
                if misfit is not None:
                    raise Unreadable(misfit)
                shards.append(_ParquetShard(path, file.metadata, columns))
        except Unreadable as error:
            broken[printable(str(path))] = str(error)
    if columns is None:
        raise none_readable(title, broken)
    told = parts([shard.title for shard in shards])
    return assemble(title, "parquet", shards, columns, parts=told, broken=broken, in_order=True)


def _open(path: Path) -> Any:
    """The file, its footer read. Raises `Unreadable`."""
    import pyarrow
    import pyarrow.parquet

    try:
        return pyarrow.parquet.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
    except (pyarrow.ArrowException, OSError) as error:
        raise Unreadable(_reason(error)) from None


def _reason(error: Exception) -> str:
    return f"damaged file: {' '.join(str(error).split())[:120]}"


class _ParquetShard(Shard):
    """One file. A row group is decoded from its start to the row that is wanted, so rows are read in rising order."""

    def __init__(self, path: Path, metadata: Any, columns: Columns) -> None:
        self.title = str(path)
        self.rows = metadata.num_rows
        self.marks = stamp(path.stat())
        self._path, self._columns = path, columns
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        self._starts = np.cumsum([0, *(group.num_rows for group in groups)])
        bombs = ((number, _bomb(group, columns.heavy)) for number, group in enumerate(groups))
        self._failed = {number: (0, why) for number, why in bombs if why is not None}
        """Row group -> its first row that cannot be read, and why: what is damaged stays so, and is tried once."""
        self._lock = threading.Lock()
        self._stream: Iterator[Any] | None = None
        self._batch: Any = None
        self._group, self._from = -1, 0

    def light(self, columns: Columns) -> Iterator[Any]:
        import pyarrow

        with _open(self._path) as file:
            try:
                yield from file.iter_batches(2**14, columns=columns.light, use_threads=False)
            except (pyarrow.ArrowException, OSError) as error:
                raise Unreadable(_reason(error)) from None

    def cell(self, row: int) -> Any:
        with self._lock:
            group = int(np.searchsorted(self._starts, row, side="right")) - 1
            inner = row - int(self._starts[group])
            first, why = self._failed.get(group, (self.rows, ""))
            if inner >= first:
                raise Unreadable(why)
            if group != self._group or inner < self._from or self._stream is None:
                self._enter(group)
            while self._batch is None or inner >= self._from + self._batch.num_rows:
                self._advance(group)
            return self._batch.column(0)[inner - self._from]

    def _enter(self, group: int) -> None:
        """Go to the start of a row group."""
        file = _open(self._path)
        held = file.metadata.row_group(group)
        rows = max(1, min(1024, held.num_rows * _BATCH_BYTES // max(1, held.total_byte_size)))
        self._stream = file.iter_batches(rows, row_groups=[group], columns=[self._columns.heavy], use_threads=False)
        self._batch = None
        self._group, self._from = group, 0

    def _advance(self, group: int) -> None:
        """The next batch of the row group."""
        import pyarrow

        assert self._stream is not None
        self._from += self._batch.num_rows if self._batch is not None else 0
        try:
            self._batch = next(self._stream)
        except (pyarrow.ArrowException, OSError, StopIteration) as error:
            self._stream, self._failed[group] = None, (self._from, _reason(error))
            raise Unreadable(_reason(error)) from None


def _bomb(group: Any, heavy: str) -> str | None:
    """Why the samples of a row group are not unpacked, or None."""
    for number in range(group.num_columns):
        chunk = group.column(number)
        unpacked, packed = chunk.total_uncompressed_size, chunk.total_compressed_size
        if chunk.path_in_schema == heavy and unpacked > max(RATIO_MATTERS, MAX_RATIO * packed):
            return f"it unpacks to more than {MAX_RATIO} times its size"
    return None
