"""Raw samples to rows of an array: in parallel, in order, a bounded way ahead."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
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
_TOGETHER, _TOGETHER_BYTES = 512, 2**22  # in a block of samples that are read at once
_AHEAD = 3  # blocks a worker

Outcome = tuple[npt.NDArray[Any], bytes] | str
"""A decoded sample and the SHA-256 of its raw contents, or why there is none."""


def decoded(source: Source, modality: Modality, layout: Layout) -> Generator[list[tuple[int, Outcome]], None, None]:
    """Blocks of (row, outcome) in the order of the source. Close the generator to stop the work."""
    workers = min(32, os.cpu_count() or 1)

    def submit(block: tuple[range, Iterable[Raw | Unreadable]]) -> Future[list[tuple[int, Outcome]]]:
        return pool.submit(_decode, *block, modality, layout)

    pool = ThreadPoolExecutor(workers)
    blocks = _blocks(source, together=modality.read_many is not None)
    try:
        ahead = deque(map(submit, islice(blocks, _AHEAD * workers)))
        while ahead:
            yield ahead.popleft().result()
            ahead.extend(map(submit, islice(blocks, 1)))
    finally:
        pool.shutdown(cancel_futures=True)


def _blocks(source: Source, *, together: bool) -> Iterator[tuple[range, Iterable[Raw | Unreadable]]]:
    """Rows and their raw samples, which are read by whoever decodes, unless one thread has to read them all."""
    if not source.in_order:
        size = _TOGETHER if together else _BLOCK
        for start in range(0, len(source), size):
            rows = range(start, min(start + size, len(source)))
            yield rows, (_raw(source, row) for row in rows)
        return
    most, start, size = _TOGETHER if together else _READ_AHEAD, 0, 0
    raws: list[Raw | Unreadable] = []
    for row in range(len(source)):
        raws.append(raw := _raw(source, row))
        size += 0 if isinstance(raw, Unreadable) else raw.nbytes if isinstance(raw, np.ndarray) else len(raw)
        if len(raws) == most or size > _TOGETHER_BYTES or row + 1 == len(source):
            yield range(start, row + 1), raws
            raws, start, size = [], row + 1, 0


def _raw(source: Source, row: int) -> Raw | Unreadable:
    interrupt.check()
    try:
        return source.raw(row)
    except Unreadable as error:
        return error


def _decode(
    rows: range, raws: Iterable[Raw | Unreadable], modality: Modality, layout: Layout
) -> list[tuple[int, Outcome]]:
    if modality.read_many is None:
        pairs = ((raw, _read(raw, modality, layout)) for raw in raws)
    else:
        held = list(raws)
        read = iter(modality.read_many([raw for raw in held if not isinstance(raw, Unreadable)], layout))
        pairs = ((raw, raw if isinstance(raw, Unreadable) else next(read)) for raw in held)
    return [(row, _outcome(raw, values, layout)) for row, (raw, values) in zip(rows, pairs, strict=True)]


def _read(raw: Raw | Unreadable, modality: Modality, layout: Layout) -> npt.NDArray[Any] | Unreadable:
    if isinstance(raw, Unreadable):
        return raw
    try:
        return modality.read(raw, layout)
    except Unreadable as error:
        return error


def _outcome(raw: Raw | Unreadable, values: npt.NDArray[Any] | Unreadable, layout: Layout) -> Outcome:
    if isinstance(raw, Unreadable) or isinstance(values, Unreadable):
        return str(values)
    assert values.shape == tuple(layout.shape)
    assert values.dtype == layout.dtype
    digest = hashlib.sha256()
    if isinstance(raw, np.ndarray):
        digest.update(f"{raw.dtype.str}{raw.shape}".encode())
        raw = raw.tobytes()
    digest.update(raw)
    return values, digest.digest()
