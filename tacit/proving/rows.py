"""The rows of an examination without labels: an encoder and its floors, each as features of the same samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit.core import Modality, Raw, View
from tacit.data.dataset import Dataset, of_source
from tacit.data.listing import Longs, Source
from tacit.data.subset import Subset
from tacit.encoder import TrainedEncoder
from tacit.evaluation.bench import Kind
from tacit.evaluation.features import extract_floor, must_be_finite
from tacit.proving.fitting import UNTRAINED, untrained
from tacit.proving.outcome import name_of

Read = Callable[[View], Tensor]
"""Views to vectors `[B, D]`."""


@dataclass(frozen=True, eq=False)
class Material:
    """The samples of a source, as the encoder reads them and as its data ask for, which the floors read.

    A floor read through the encoder's own vocabulary or size would be lower where these are of other data.
    """

    encoder: TrainedEncoder
    dataset: Dataset
    own: Dataset

    @classmethod
    def of(cls, encoder: TrainedEncoder, source: Source, *, max_bad: float) -> Material:
        """Raises as `open_dataset`."""
        kind = encoder.modality
        dataset = of_source(source, kind, kind.config(), encoder.layout, max_bad=max_bad)
        dataset.say_notes()
        pieces = kind.pieces.asked(encoder.layout) if kind.pieces and encoder.layout.in_pieces else {}
        wanted = kind.config.parse(pieces)
        return cls(encoder, dataset, of_source(source, kind, wanted, max_bad=max_bad))

    @property
    def modality(self) -> Modality:
        """Of the samples."""
        return self.dataset.modality

    def kept(self) -> Longs:
        """Rows of the source that all can read, in order."""
        return np.intersect1d(self.dataset.everything().source_rows, self.own.everything().source_rows)

    def raws(self) -> list[Raw]:
        """What stands in the rows `kept`, as it lies there."""
        return [self.dataset.raw(int(row)) for row in self.kept()]

    def view_of(self, dataset: Dataset) -> Subset:
        """The samples `kept` of one of the two data sets."""
        everything = dataset.everything()
        return everything.select(torch.from_numpy(np.flatnonzero(np.isin(everything.source_rows, self.kept()))))


@dataclass(frozen=True, eq=False)
class Row:
    """Something that turns the samples of a `Material` into vectors: of one in pieces the mean of theirs."""

    name: str
    kind: Kind
    features: Callable[[int], Tensor]
    """Seed -> `[N, D]` of the samples kept."""
    members: int = 1
    """How many seeds are averaged."""
    protocol: Mapping[str, Any] = field(default_factory=dict)


def rows_of(material: Material) -> Iterator[Row]:
    """The encoder, untrained ones of its architecture, the modality's raw features, its closed forms."""
    encoder, kind = material.encoder, material.modality
    samples, own = material.view_of(material.dataset), material.view_of(material.own)
    yield Row(name_of(encoder), "encoder", lambda _: _features(encoder.vectors, samples, name_of(encoder)))
    if not encoder.network.solved:

        def fresh(seed: int) -> Tensor:
            network = TrainedEncoder(untrained(encoder, samples, seed), encoder.spec)
            return _features(network.vectors, samples, "untrained")

        yield Row("untrained", "untrained", fresh, UNTRAINED)
    for name, floor in kind.floors.items():
        yield Row(name, "raw", partial(_fixed, floor, own, name))
    for name, rival in kind.rivals.items():
        if name != encoder.spec.encoder["name"]:
            yield Row(name, "method", partial(_fitted, rival, own, name), protocol={"fitted_on": len(own)})


def _features(read: Read, samples: Subset, name: str) -> Tensor:
    found = must_be_finite(extract_floor(read, samples, batch=256, title=f"features, {name}"), name)
    wholes, of = torch.unique(torch.from_numpy(samples.source_rows), return_inverse=True)
    if len(wholes) == len(found):
        return found
    mean: Tensor = torch.zeros(len(wholes), found.shape[1]).index_add(0, of, found) / of.bincount()[:, None]
    return mean


def _fixed(read: Read, samples: Subset, name: str, seed: int) -> Tensor:
    return _features(read, samples, name)


def _fitted(make: Callable[[Subset], Read], samples: Subset, name: str, seed: int) -> Tensor:
    return _features(make(samples), samples, name)
