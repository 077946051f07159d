"""Search: which samples of an index are the most similar to a query, one query after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from tacit import console
from tacit.core import View
from tacit.data.dataset import opened
from tacit.data.decoding import decoded
from tacit.data.listing import Source, printable
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError, UsageError
from tacit.searching.index import Hit, Index, identity


@dataclass(frozen=True, eq=False)
class Answer:
    """What was found for one query, the most similar first."""

    query: str
    view: View
    """The query as the encoder read it, `[1, ...]`."""
    hits: tuple[Hit, ...]

    def to_json(self) -> dict[str, Any]:
        """Query and hits as plain values."""
        return {"query": self.query, "hits": [asdict(hit) for hit in self.hits]}


def search(encoder: TrainedEncoder, index: Index, queries: str, k: int, *, batch: int = 256) -> Iterator[Answer]:
    """The `k` samples of `index` most similar to each sample of `queries` (a file, or anything DATA may be).

    Queries that cannot be read are named and passed over. Raises `UsageError` where the index was made by another
    encoder or k is no number of samples, and `DataError` where no query can be read.
    """
    if index.config.encoder != identity(encoder):
        raise UsageError(
            f"{index.path} was made by another encoder ({index.config.encoder_name}), whose vectors mean something "
            f"else: search with that one, or make an index of your own: tacit index ENCODER {index.config.data}"
        )
    if k < 1:
        raise UsageError(f"--k {k}: give 1 or more")
    if k > len(index):
        console.say(f"note: the index holds {len(index):,} samples, fewer than the {k:,} asked for: all are ranked")
    source = opened(queries, encoder.modality, encoder.layout)
    if len(source) == 0:
        raise DataError(
            f"{printable(queries)} holds no {encoder.modality.unit}: looked for names ending with "
            f"{', '.join(sorted(encoder.modality.suffixes))}"
        )
    for names, view in _views(encoder, source, batch):
        similarities, rows = index.search(encoder.vectors(view), min(k, len(index)))
        for number, name in enumerate(names):
            yield Answer(name, view[number : number + 1], index.hits(rows[number], similarities[number]))


def _views(encoder: TrainedEncoder, source: Source, batch: int) -> Iterator[tuple[list[str], View]]:
    """Names and plain views of the readable samples of `source`."""
    names: list[str] = []
    packed: list[np.ndarray] = []
    read = 0

    def full() -> tuple[list[str], View]:
        return names, encoder.modality.collate(torch.from_numpy(np.stack(packed)), encoder.layout)

    with closing(decoded(source, encoder.modality, encoder.layout)) as blocks:
        for row, outcome in (one for block in blocks for one in block):
            if isinstance(outcome, str):
                name = printable(source.name(row))
                console.say(f"note: query {name} cannot be read: {printable(outcome)}")
                continue
            names.append(printable(source.name(row) + (f"#{outcome.part}" if outcome.part else "")))
            packed.append(outcome.values)
            read += 1
            if len(packed) == batch:
                yield full()
                names, packed = [], []
    if packed:
        yield full()
    if not read:
        raise DataError(f"no query can be read: {printable(source.title)}")
