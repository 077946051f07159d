"""Vectors of samples in memory, as fast as they can be had: those of like length together, so that little is padded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tacit import console, interrupt
from tacit.core import Layout, Modality, Raw, View
from tacit.errors import DataError, Unreadable

BUDGET = {"cpu": 1024, "cuda": 65_536}
"""Positions of a batch, padding included, by kind of device. On a CPU 1,024 were faster than 4,096 and 16,384 in the
one pass that was tried (docs/decisions.md); the figure for GPUs has not been measured."""
_CHUNK = 8192
"""Samples that are read and sorted at a time."""


def encode(
    vectors: Callable[[View], Tensor],
    modality: Modality,
    layout: Layout,
    raws: Sequence[Raw],
    *,
    dim: int,
    batch: int | None,
    budget: int,
) -> np.ndarray:
    """Vectors float32 `[N, dim]` of the raw samples, in their order.

    `vectors`: plain views `[B, ...]` -> `[B, dim]`; `batch`: samples at a time, or as many as have at most `budget`
    positions together. Raises `DataError` with the number of a sample that cannot be read.
    """
    found = np.empty((len(raws), dim), np.float32)
    with console.progress("encoding", len(raws)) as tick:
        done = 0
        for start in range(0, len(raws), _CHUNK):
            view = modality.collate(
                torch.from_numpy(_read(modality, layout, raws[start : start + _CHUNK], start)), layout
            )
            for rows, some in _batches(view, batch, budget):
                interrupt.check()
                found[start + rows.numpy()] = vectors(some).numpy()
                done += len(rows)
                tick(done)
    return found


def _read(modality: Modality, layout: Layout, raws: Sequence[Raw], first: int) -> np.ndarray:
    if modality.read_many is not None:
        packed = list(modality.read_many(raws, layout))
    else:
        packed = [_outcome(modality, raw, layout) for raw in raws]
    for number, outcome in enumerate(packed, first):
        if isinstance(outcome, Unreadable):
            raise DataError(f"sample {number} cannot be read: {outcome}")
    return np.stack([outcome for outcome in packed if isinstance(outcome, np.ndarray)])


def _outcome(modality: Modality, raw: Raw, layout: Layout) -> np.ndarray | Unreadable:
    try:
        return modality.read(raw, layout)
    except Unreadable as error:
        return error


def _batches(view: View, batch: int | None, budget: int) -> Iterator[tuple[Tensor, View]]:
    """Rows and their view, cut at the longest of them; the longest samples first, so that memory fails at once."""
    if view.valid is None:
        size = batch or max(1, budget // max(1, view.x[0].numel()))
        yield from ((rows, view[rows]) for rows in torch.split(torch.arange(len(view)), size))
        return
    lengths = view.valid.sum(dim=1)
    order = lengths.argsort(descending=True, stable=True)
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        rows = order[start : start + (batch or max(1, budget // longest))]
        start += len(rows)
        yield rows, _cut(view[rows], longest)


def _cut(view: View, length: int) -> View:
    """The first positions of views of which nothing real stands behind them."""
    where, pauses = (None if each is None else each[:, :length] for each in (view.where, view.pauses))
    assert view.valid is not None
    return replace(view, x=view.x[:, :length], valid=view.valid[:, :length], where=where, pauses=pauses)


def raw_of(modality: Modality, sentence: str, number: int) -> Raw:
    """A text, or the contents of the file that it names. Raises `DataError` with its number."""
    if not isinstance(sentence, str):
        raise DataError(f"sample {number} is no text but {type(sentence).__name__}: give texts")
    try:
        return sentence.encode() if modality.records is not None else Path(sentence).read_bytes()
    except (OSError, UnicodeEncodeError) as error:
        raise DataError(f"sample {number} cannot be read: {error}") from None


def samples_as_views(
    modality: Modality, layout: Layout, samples: Iterable[Raw | str | Path], batch: int
) -> Iterator[View]:
    """Plain views of arrays, the bytes of files, or paths. Raises `DataError` with the number of a bad sample."""
    number, stream = 0, iter(samples)
    while some := list(islice(stream, batch)):
        packed = []
        for sample in some:
            try:
                raw = Path(sample).read_bytes() if isinstance(sample, str | Path) else sample
                packed.append(modality.read(raw, layout))
            except (OSError, Unreadable) as error:
                raise DataError(f"sample {number} cannot be read: {error}") from None
            number += 1
        yield modality.collate(torch.from_numpy(np.stack(packed)), layout)
