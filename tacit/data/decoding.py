"""Raw samples to rows of an array: in parallel, in order, a bounded way ahead."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from tacit import interrupt
from tacit.core import Layout, Modality, Raw
from tacit.data.listing import Source
from tacit.errors import Unreadable

_BLOCK = 32
_READ_AHEAD = 8  # in a block whose raw samples wait in memory
_AHEAD = 3  # blocks a worker

Outcome = tuple[npt.NDArray[Any], bytes] | str
"""A decoded sample and the SHA-256 of its raw contents, or why there is none."""


def decoded(source: Source, modality: Modality, layout: Layout) -> Generator[list[tuple[int, Outcome]], None, None]:
    """Blocks of (row, outcome) in the order of the source. Close the generator to stop the work."""
    workers = min(32, os.cpu_count() or 1)
    size = _READ_AHEAD if source.in_order else _BLOCK
    blocks = (range(start, min(start + size, len(source))) for start in range(0, len(source), size))

    def decode(rows: range, raws: Iterable[Raw | Unreadable]) -> list[tuple[int, Outcome]]:
        return [(row, _decode(raw, modality, layout)) for row, raw in zip(rows, raws, strict=True)]

    def submit(rows: range) -> Future[list[tuple[int, Outcome]]]:
        raws = (_raw(source, row) for row in rows)  # read by whoever decodes, unless one thread has to read them all
        return pool.submit(decode, rows, list(raws) if source.in_order else raws)

    pool = ThreadPoolExecutor(workers)
    try:
        ahead = deque(map(submit, islice(blocks, _AHEAD * workers)))
        while ahead:
            yield ahead.popleft().result()
            ahead.extend(map(submit, islice(blocks, 1)))
    finally:
        pool.shutdown(cancel_futures=True)


def _raw(source: Source, row: int) -> Raw | Unreadable:
    interrupt.check()
    try:
        return source.raw(row)
    except Unreadable as error:
        return error


def _decode(raw: Raw | Unreadable, modality: Modality, layout: Layout) -> Outcome:
    if isinstance(raw, Unreadable):
        return str(raw)
    try:
        values = modality.read(raw, layout)
    except Unreadable as error:
        return str(error)
    assert values.shape == tuple(layout.shape)
    assert values.dtype == layout.dtype
    digest = hashlib.sha256()
    if isinstance(raw, np.ndarray):
        digest.update(f"{raw.dtype.str}{raw.shape}".encode())
        raw = raw.tobytes()
    digest.update(raw)
    return values, digest.digest()
