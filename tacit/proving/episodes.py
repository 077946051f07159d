"""Moments that probes learn from and are tested on, of different episodes, and what makes features of them.

N training moments, M test moments, E test episodes, R resamples of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from tacit import interrupt
from tacit.console import say
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.data.shelf import digest
from tacit.data.subset import Subset
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError, UsageError
from tacit.evaluation.bench import Kind
from tacit.evaluation.bootstrap import RESAMPLES, counts
from tacit.evaluation.features import extract_floor
from tacit.evaluation.resampled import Resampled
from tacit.evaluation.states import numbered
from tacit.proving.fitting import UNTRAINED, untrained
from tacit.proving.outcome import name_of
from tacit.proving.proof import features_of

TRAINED, TESTED = 4_000, 10_000
"""Moments that probes learn from and are tested on, evenly spread where there are more: neighbours are nearly alike."""
FEW_EPISODES = 10
"""Test episodes under which a word is said on intervals."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments of different episodes, none of which stands in both parts."""

    dataset: Dataset
    train: Tensor
    """Their rows in all of the data, long `[N]`."""
    test: Tensor
    """Long `[M]`."""
    seen: int
    """Test moments that were left out, since a training moment looks alike."""
    seed: int

    @cached_property
    def learnt(self) -> Subset:
        """The training moments."""
        return self.dataset.everything().select(self.train)

    @cached_property
    def asked(self) -> Subset:
        """The test moments."""
        return self.dataset.everything().select(self.test)

    @cached_property
    def groups(self) -> Tensor:
        """The episode of each training moment, long `[N]`."""
        return numbered(torch.from_numpy(self.learnt.source_rows))

    @cached_property
    def episodes(self) -> Tensor:
        """The episode of each test moment, long `[M]`, 0 to E - 1."""
        return numbered(torch.from_numpy(self.asked.source_rows))

    @cached_property
    def weights(self) -> Tensor:
        """`[1 + R, E]`, how often each test episode counts: once in the first row."""
        count = int(self.episodes.max()) + 1
        drawn = counts(RESAMPLES, count, torch.Generator().manual_seed(self.seed))
        return torch.cat([torch.ones(1, count, dtype=torch.float64), drawn])

    @property
    def protocol(self) -> dict[str, Any]:
        """What is stored with every result."""
        return {
            "data": self.dataset.name,
            "content_hash": self.dataset.content_hash,
            "split": self.dataset.protocol,
            "moments": [len(self.train), len(self.test)],
            "test_moments_seen_in_training": self.seen,
            "test_episodes": self.weights.shape[1],
            "seed": self.seed,
        }


@dataclass(frozen=True, eq=False)
class Row:
    """Something that turns moments into features."""

    name: str
    kind: Kind
    features: Callable[[Subset, int], Tensor]
    """(moments, number of the network) -> `[N, D]`."""
    members: int = 1


def must_have_moments(encoder: TrainedEncoder, task: str) -> None:
    """Raises `UsageError` for encoders of other data."""
    if not encoder.modality.moments:
        raise UsageError(
            f"task {task} asks about moments of episodes, and {encoder.modality.unit} are none: leave --task out"
        )


def parted(dataset: Dataset, seed: int, allowed: Tensor | None = None) -> Moments:
    """Some moments of the training and the test episodes, of those rows that are `allowed` (boolean `[all]`).

    Raises `DataError` where nothing is left of a part.
    """
    train, test = (_some(dataset, part, most, allowed) for part, most in (("train", TRAINED), ("test", TESTED)))
    seen = set(_digests(dataset.everything().select(train)))
    new = torch.tensor([digest not in seen for digest in _digests(dataset.everything().select(test))])
    if not new.any():
        raise DataError(f"all test moments of {printable(dataset.name)} are among those for training: nothing is new")
    found = Moments(dataset, train, test[new], int((~new).sum()), seed)
    if (count := found.weights.shape[1]) < FEW_EPISODES:
        say(f"note: {count} test episodes are few, and intervals over so few are too narrow: collect more")
    return found


def _some(dataset: Dataset, part: str, most: int, allowed: Tensor | None) -> Tensor:
    dataset.part(part)  # says what parts there are where this one is missing
    rows = torch.from_numpy(dataset.parts[part])
    rows = rows if allowed is None else rows[allowed[rows]]
    if not len(rows):
        raise DataError(f"nothing can be asked about the moments of the part {part} of {printable(dataset.name)}")
    return rows[torch.linspace(0, len(rows) - 1, min(most, len(rows))).long()]


def _digests(samples: Subset) -> Iterator[str]:
    """A hash of each moment, as the encoder sees it."""
    for rows in torch.split(torch.arange(len(samples)), 256):
        interrupt.check()
        yield from map(digest, samples.view(rows).x)


def rows_of(encoder: TrainedEncoder, moments: Moments) -> Iterator[Row]:
    """The encoder, untrained ones, raw values and principal components of these."""

    def trained(samples: Subset, _: int) -> Tensor:
        return features_of(encoder.network, samples, device=encoder.device, title="features of the encoder")

    def fresh(samples: Subset, number: int) -> Tensor:
        network = untrained(encoder, moments.learnt, number)
        return features_of(network, samples, device=encoder.device, title="features of an untrained encoder")

    yield Row(name_of(encoder), "encoder", trained)
    if not encoder.network.solved:
        yield Row("untrained", "untrained", fresh, UNTRAINED)
    for name, floor in encoder.modality.floors.items():
        yield Row(name, "raw", lambda samples, _, floor=floor: extract_floor(floor, samples))  # type: ignore[misc]
    for name, rival in encoder.modality.rivals.items():
        fitted = rival(moments.learnt)
        yield Row(name, "raw", lambda samples, _, fitted=fitted: extract_floor(fitted, samples))  # type: ignore[misc]


def still(values: Tensor) -> bool:
    """Whether numbers hardly differ from each other."""
    return bool(values.std() <= 1e-6 * values.abs().amax().clamp_min(1e-12))


def resampled(
    name: str, kind: Kind, found: Mapping[str, Sequence[Tensor]], protocol: Mapping[str, Any]
) -> list[Resampled]:
    """The metrics of a row, of each of its members with all episodes and on each resample, `[1 + R]`."""
    stacked = {metric: torch.stack(list(members)) for metric, members in found.items()}
    return [Resampled(name, kind, metric, each[:, 0], each[:, 1:], protocol) for metric, each in stacked.items()]
