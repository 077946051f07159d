"""Rows of an array on disk, mapped into memory without filling it."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_RELEASE_BYTES = 256 * 2**20
_AROUND = 64 * 2**10  # the kernel maps this much around a page that is touched


class MappedRows:
    """The array `[N, ...]` in a file. Pages that were read are handed back, so resident memory stays flat."""

    def __init__(
        self, path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...], offset: int = 0, order: Any = "C"
    ) -> None:
        """`offset`: where the values begin, in bytes. Raises `ValueError` where the file is shorter, or `OSError`."""
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._array = np.ndarray(shape, dtype, self._map, offset, order=order)
        values = self._array.size // max(1, len(self._array))
        scattered = values * _AROUND if order == "F" else values * self._array.itemsize + _AROUND
        self._row_bytes = min(scattered, self._array.nbytes)
        self._touched = 0

    def __len__(self) -> int:
        return len(self._array)

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape, `[N, ...]`."""
        return self._array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its values."""
        return self._array.dtype

    def take(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """A copy of `rows`: `[len(rows), ...]`."""
        taken = self._array[rows]
        self._touched += len(rows) * self._row_bytes  # several threads may lose an addition: it only delays
        if self._touched > _RELEASE_BYTES:
            self._touched = 0
            self._map.madvise(mmap.MADV_DONTNEED)
        return taken
