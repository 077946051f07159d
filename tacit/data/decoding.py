"""Raw samples to rows of an array: in parallel, in order, a bounded way ahead."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from tacit import interrupt
from tacit.core import Layout, Modality
from tacit.data.listing import Source
from tacit.errors import Unreadable

_BLOCK = 32
_AHEAD = 3  # blocks a worker

Outcome = tuple[npt.NDArray[Any], bytes] | str
"""A decoded sample and the SHA-256 of its raw contents, or why there is none."""


def decoded(source: Source, modality: Modality, layout: Layout) -> Generator[list[tuple[int, Outcome]], None, None]:
    """Blocks of (row, outcome) in the order of the source. Close the generator to stop the work."""
    workers = min(32, os.cpu_count() or 1)
    blocks = (range(start, min(start + _BLOCK, len(source))) for start in range(0, len(source), _BLOCK))

    def decode(rows: range) -> list[tuple[int, Outcome]]:
        return [(row, _decode(source, modality, layout, row)) for row in rows]

    pool = ThreadPoolExecutor(workers)
    try:
        ahead: deque[Future[list[tuple[int, Outcome]]]] = deque()
        ahead.extend(pool.submit(decode, rows) for rows in islice(blocks, _AHEAD * workers))
        while ahead:
            yield ahead.popleft().result()
            ahead.extend(pool.submit(decode, rows) for rows in islice(blocks, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def _decode(source: Source, modality: Modality, layout: Layout, row: int) -> Outcome:
    interrupt.check()
    try:
        raw = source.raw(row)
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
