"""Raw samples to rows of an array: in parallel, in order, a bounded way ahead."""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from tacit import interrupt
from tacit.core import Layout, Modality, Raw
from tacit.data.listing import Source
from tacit.errors import Unreadable
from tacit.processors import allotted

_BLOCK = 32
_READ_AHEAD = 8  # in a block whose raw samples wait in memory
_TOGETHER, _TOGETHER_BYTES = 512, 2**22  # in a block of samples that are read at once
_AHEAD = 3  # blocks a worker
_AT_ONCE_BYTES = 2**26  # pieces that a worker makes before it waits to be asked for more
MOST_BYTES = 2**29
"""What the pieces of one sample may take once packed: a small file may unpack to a lot."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """A row: a sample, or a piece of one."""

    values: npt.NDArray[Any]
    digest: bytes
    """SHA-256 of the raw contents of the whole sample."""
    number: int = 0
    """Which piece of its sample it is."""
    part: str = ""
    """Where in its sample it lies; empty for a whole one."""

    @property
    def token(self) -> bytes:
        """8 bytes, equal for rows of identical samples."""
        named = self.digest if self.number == 0 else hashlib.sha256(self.digest + b"%d" % self.number).digest()
        return named[:8]


Outcome = Decoded | str
"""A row, or why there is none."""
Work = Iterator[tuple[int, Outcome]]
"""Rows of the source and what became of them, made as they are asked for."""


def most_pieces(layout: Layout) -> int:
    """How many pieces of one sample are kept at most."""
    return max(1, MOST_BYTES // row_bytes(layout))


def row_bytes(layout: Layout) -> int:
    """What a packed row takes."""
    return math.prod(layout.shape) * np.dtype(layout.dtype).itemsize


def decoded(source: Source, modality: Modality, layout: Layout) -> Generator[list[tuple[int, Outcome]], None, None]:
    """Blocks of (row of the source, outcome) in the order of the source. Close the generator to stop the work.

    Where samples are taken to pieces, a row of the source has several outcomes, and memory does not grow with them: a
    block is continued when what it has made so far is asked for.
    """
    workers = min(32, allotted())
    at_once = max(1, _AT_ONCE_BYTES // row_bytes(layout)) if layout.in_pieces else None

    def submit(work: Work) -> tuple[Work, Future[list[tuple[int, Outcome]]]]:
        return work, pool.submit(lambda: list(islice(work, at_once)))

    pool = ThreadPoolExecutor(workers)
    blocks = _blocks(source, 1 if layout.in_pieces else _BLOCK if modality.read_many is None else _TOGETHER)
    works = (_decode(rows, raws, modality, layout) for rows, raws in blocks)
    try:
        ahead = deque(map(submit, islice(works, workers + 1 if layout.in_pieces else _AHEAD * workers)))
        while ahead:
            work, future = ahead.popleft()
            made = future.result()
            if made:
                yield made
            if len(made) == at_once:
                ahead.appendleft(submit(work))
            else:
                ahead.extend(map(submit, islice(works, 1)))
    finally:
        pool.shutdown(cancel_futures=True)


def _blocks(source: Source, size: int) -> Iterator[tuple[range, Iterable[Raw | Unreadable]]]:
    """Rows and their raw samples, which are read by whoever decodes, unless one thread has to read them all."""
    if not source.in_order:
        for start in range(0, len(source), size):
            rows = range(start, min(start + size, len(source)))
            yield rows, (_raw(source, row) for row in rows)
        return
    most, start, held = size if size == _TOGETHER else _READ_AHEAD, 0, 0
    raws: list[Raw | Unreadable] = []
    for row in range(len(source)):
        raws.append(raw := _raw(source, row))
        held += 0 if isinstance(raw, Unreadable) else raw.nbytes if isinstance(raw, np.ndarray) else len(raw)
        if len(raws) == most or held > _TOGETHER_BYTES or row + 1 == len(source):
            yield range(start, row + 1), raws
            raws, start, held = [], row + 1, 0


def _raw(source: Source, row: int) -> Raw | Unreadable:
    interrupt.check()
    try:
        return source.raw(row)
    except Unreadable as error:
        return error


def _decode(rows: range, raws: Iterable[Raw | Unreadable], modality: Modality, layout: Layout) -> Work:
    if layout.in_pieces:
        for row, raw in zip(rows, raws, strict=True):
            yield from ((row, outcome) for outcome in _pieces(raw, modality, layout))
        return
    if modality.read_many is None:
        pairs = ((raw, _read(raw, modality, layout)) for raw in raws)
    else:
        held = list(raws)
        read = iter(modality.read_many([raw for raw in held if not isinstance(raw, Unreadable)], layout))
        pairs = ((raw, raw if isinstance(raw, Unreadable) else next(read)) for raw in held)
    yield from ((row, _outcome(raw, values, layout)) for row, (raw, values) in zip(rows, pairs, strict=True))


def _pieces(raw: Raw | Unreadable, modality: Modality, layout: Layout) -> Iterator[Outcome]:
    assert modality.pieces is not None
    if isinstance(raw, Unreadable):
        yield str(raw)
        return
    digest = _digest(raw)
    try:
        pieces = islice(modality.pieces.cut(raw, layout), most_pieces(layout))
        for number, (values, part) in enumerate(pieces):
            interrupt.check()
            yield Decoded(_checked(values, layout), digest, number, part)
    except Unreadable as error:
        yield str(error)


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
    return Decoded(_checked(values, layout), _digest(raw))


def _checked(values: npt.NDArray[Any], layout: Layout) -> npt.NDArray[Any]:
    assert values.shape == tuple(layout.shape)
    assert values.dtype == layout.dtype
    return values


def _digest(raw: Raw) -> bytes:
    digest = hashlib.sha256()
    if isinstance(raw, np.ndarray):
        digest.update(f"{raw.dtype.str}{raw.shape}".encode())
        raw = raw.tobytes()
    digest.update(raw)
    return digest.digest()
