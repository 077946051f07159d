"""Copy detection: does an encoder know a picture again after it was cropped, turned, written on? `--task copies`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit import console, interrupt
from tacit.core import Draws, View
from tacit.data.dataset import Dataset
from tacit.data.subset import Subset
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError, UsageError
from tacit.evaluation.bench import Kind
from tacit.evaluation.features import must_be_finite
from tacit.evaluation.resampled import Resampled, compare, sample_weights
from tacit.evaluation.retrieval import centred, nearest, pooled_average_precision
from tacit.proving.fitting import UNTRAINED, untrained
from tacit.proving.outcome import Proof, name_of

TASK = "copies"
ORIGINALS = 500
"""Test samples that are copied, in each of the modality's ways, and as many strangers that have no original."""
REFERENCES = 10_000
"""What is searched: the originals among others."""
GUESSES = 10
"""Nearest references of a query that enter the ranking, its cosine being how sure they are."""
MICRO, RECALL = "micro AP", "recall@1"
_BATCH = 256

Read = Callable[[View], Tensor]
"""Views to vectors `[B, D]`."""


@dataclass(frozen=True, eq=False)
class Hunt:
    """Queries and what is searched for them. The first rows of `references` are the originals, in order."""

    references: Subset
    """R samples."""
    originals: Subset
    """S samples."""
    strangers: Subset
    """T samples that are not among the references."""
    seed: int

    @property
    def units(self) -> int:
        """S + T, what is resampled: an original or a stranger with all that was made of it."""
        return len(self.originals) + len(self.strangers)


@dataclass(frozen=True, eq=False)
class Row:
    """Something that turns views into vectors."""

    name: str
    kind: Kind
    read: Callable[[int], Read]
    """Seed -> views to `[B, D]`; called when the row is measured, so that memory holds one network."""
    members: int = 1
    """How many seeds are averaged."""
    centre: bool = True
    """Whether vectors are centred on the references' mean; bits are compared as they are."""


def copies(encoder: TrainedEncoder, data: str, *, seed: int = 0, max_bad: float = 0.01) -> Proof:
    """Judge `encoder` by whether it finds the originals of distorted test samples, beside its floors.

    Each of the modality's `copies` is made of `ORIGINALS` test samples and of as many strangers; every query guesses
    its nearest references. `micro AP` pools all guesses in one ranking, `recall@1` asks for the nearest alone, also by
    the way of copying. Intervals resample originals and strangers. Needs no labels. Raises `UsageError` where the
    modality knows no copies, `DataError` where there are too few samples.
    """
    modality = encoder.modality
    if not modality.copies:
        raise UsageError(f"--task {TASK}: nothing is known of how {modality.unit} are copied")
    with interrupt.listening():
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        hunt = _hunt(dataset, seed)
        weights = torch.cat([torch.ones(1, hunt.units, dtype=torch.float64), sample_weights(hunt.units, seed=seed)])
        protocol = _protocol(dataset, hunt)
        measured = [one for row in _rows(encoder, dataset) for one in _measured(hunt, row, weights, protocol)]
        count = f"{len(hunt.originals) * len(modality.copies):,} distorted copies among {len(hunt.references):,}"
        deciding = {MICRO: f"{count} {modality.unit} to search"}
        return Proof(compare(TASK, measured, deciding, seed=seed), dataset, encoder, TASK)


def _hunt(dataset: Dataset, seed: int) -> Hunt:
    """Identical samples stand once, so that no right answer is called wrong."""
    _, first = np.unique(dataset.tokens, return_index=True)
    unique = np.zeros(len(dataset), np.bool_)
    unique[first] = True
    dataset.part("test")  # says what parts there are where this one is missing
    shuffle = np.random.default_rng(seed).permutation
    test, train = (
        shuffle(rows[unique[rows]]) for rows in (dataset.parts["test"], dataset.parts.get("train", first[:0]))
    )
    originals, strangers = test[:ORIGINALS], train[: min(ORIGINALS, len(train) // 2)]
    if len(originals) < 2 or len(strangers) < 2:
        raise DataError(
            f"{dataset.name} has {len(test)} different test samples and {len(train)} for training; copy detection "
            "needs at least 2 and 4, better hundreds"
        )
    others = np.concatenate([test[ORIGINALS:], train[len(strangers) :]])[: max(0, REFERENCES - len(originals))]
    everything = dataset.everything()
    references, copied, strange = (
        everything.select(torch.from_numpy(rows))
        for rows in (np.concatenate([originals, others]), originals, strangers)
    )
    return Hunt(references, copied, strange, seed)


def _protocol(dataset: Dataset, hunt: Hunt) -> dict[str, Any]:
    return {
        "data": dataset.name,
        "content_hash": dataset.content_hash,
        "split": dataset.protocol,
        "copies": list(dataset.modality.copies),
        "originals": len(hunt.originals),
        "strangers": len(hunt.strangers),
        "references": len(hunt.references),
        "guesses": GUESSES,
        "seed": hunt.seed,
    }


def _rows(encoder: TrainedEncoder, dataset: Dataset) -> Iterator[Row]:
    yield Row(name_of(encoder), "encoder", lambda _: encoder.vectors)
    if not encoder.network.solved:
        train = dataset.part("train")

        def fresh(seed: int) -> Read:
            return TrainedEncoder(untrained(encoder, train, seed), encoder.spec).vectors

        yield Row("untrained", "untrained", fresh, UNTRAINED)
    for name, floor in encoder.modality.floors.items():
        yield _fixed(name, floor)
    if encoder.modality.fingerprint is not None:
        yield replace(_fixed("perceptual hash", encoder.modality.fingerprint), centre=False)


def _fixed(name: str, function: Read) -> Row:
    return Row(name, "raw", lambda _: function)


def _measured(hunt: Hunt, row: Row, weights: Tensor, protocol: Mapping[str, Any]) -> Iterator[Resampled]:
    found: dict[str, list[Tensor]] = {}
    for seed in range(row.members):
        for metric, values in _scores(hunt, row, row.read(seed), weights).items():
            found.setdefault(metric, []).append(values)
    facts = {**protocol, "distance": "cosine, centred on the references' mean" if row.centre else "share of equal bits"}
    for metric, several in found.items():
        each = torch.stack(several)
        yield Resampled(row.name, row.kind, metric, each[:, 0], each[:, 1:], facts)


def _scores(hunt: Hunt, row: Row, read: Read, weights: Tensor) -> Mapping[str, Tensor]:
    """Metric -> its value `[1 + R]` under each row of `weights`."""
    ways = hunt.references.modality.copies
    with console.progress(f"copies, {row.name}", 1 + len(ways)) as tick:
        references = must_be_finite(_read(hunt.references, read), row.name)
        mean = references.mean(0) if row.centre else torch.zeros(references.shape[1])
        gallery = centred(references, mean)
        tick(1)
        near, right = [], []
        for number, way in enumerate(ways):
            queries = torch.cat(
                [_read(some, read, way, number, hunt.seed) for some in (hunt.originals, hunt.strangers)]
            )
            similarity, rows = nearest([gallery], centred(queries, mean), min(GUESSES, len(gallery)))
            near.append(similarity)
            right.append(rows == torch.arange(hunt.units)[:, None])
            right[-1][len(hunt.originals) :] = False  # a stranger has no original
            tick(2 + number)
    return _metrics(hunt, list(ways), torch.stack(near), torch.stack(right), weights)


def _read(samples: Subset, read: Read, way: str | None = None, number: int = 0, seed: int = 0) -> Tensor:
    """Features `[N, D]` of `samples`, copied in a `way` where one is given."""
    found = []
    for rows in torch.split(torch.arange(len(samples)), _BATCH):
        interrupt.check()
        view = samples.view(rows)
        if way is not None:
            source = torch.from_numpy(samples.source_rows[rows.numpy()])
            view = samples.modality.copies[way](view, Draws.of(seed, 0, source, number))
        found.append(read(view).float())
    return torch.cat(found)


def _metrics(hunt: Hunt, ways: list[str], near: Tensor, right: Tensor, weights: Tensor) -> Mapping[str, Tensor]:
    """From similarities and correctness `[W, S + T, guesses]`."""
    units, originals = hunt.units, len(hunt.originals)
    owner = torch.arange(units)[None, :, None].expand_as(near)
    wanted = torch.zeros(units)
    wanted[:originals] = len(ways)
    pooled = pooled_average_precision(near.flatten(), right.flatten(), owner.flatten(), wanted, weights)
    first = right[:, :originals, 0].double()
    drawn = weights[:, :originals]
    by_way = drawn @ first.T / drawn.sum(1, keepdim=True).clamp_min(1)
    each = {f"{RECALL}, {way}": by_way[:, number] for number, way in enumerate(ways)}
    return {MICRO: pooled, RECALL: by_way.mean(1), **each}
