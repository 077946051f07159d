"""A guess without labels: how many of a sample's nearest neighbours stay where it is seen otherwise. `--task proxy`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from tacit import console, interrupt
from tacit.core import Draws, View
from tacit.data.subset import Subset
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError
from tacit.evaluation.bench import Kind
from tacit.evaluation.features import must_be_finite, watched_rows
from tacit.evaluation.health import NEAR, staying
from tacit.evaluation.resampled import Resampled, compare, sample_weights
from tacit.evaluation.verdict import figure
from tacit.proving.fitting import UNTRAINED, untrained
from tacit.proving.outcome import Proof, name_of
from tacit.report.comparing import PROXY

TASK, METRIC = PROXY, "neighbours that stay"
SAMPLES = 256
"""Training samples that are looked at, as where it was measured what this is worth."""
VIEW = "strong"
"""The kind of the two views: as the modality sets it, whatever an encoder was trained on, so that encoders compare."""

Read = Callable[[View], Tensor]
"""Views to vectors `[B, D]`."""


def proxy(encoder: TrainedEncoder, data: str, *, seed: int = 0, max_bad: float = 0.01) -> Proof:
    """Judge `encoder` by `health.stability`, beside untrained ones and raw features; intervals resample samples.

    Of what was tried this ranks encoders most as labels do, which is not much (docs/choosing.md): there is no verdict.
    Raises `DataError` where there are too few samples.
    """
    with interrupt.listening():
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        samples = dataset.part("train")
        rows = watched_rows(samples, SAMPLES)
        if len(rows) <= NEAR + 1:
            raise DataError(
                f"{dataset.name} has {len(rows)} samples for training; --task {TASK} asks for the {NEAR} nearest of "
                f"each, so give at least {NEAR + 2}, better hundreds"
            )
        view, augment = samples.view(rows), encoder.modality.augment(encoder.modality.config())[VIEW]
        seen = [augment(view, Draws.of(seed, 0, rows, number)) for number in (0, 1)]
        weights = torch.cat([torch.ones(1, len(rows), dtype=torch.float64), sample_weights(len(rows), seed=seed)])
        protocol = {
            "content_hash": dataset.content_hash,
            "split": dataset.protocol,
            "samples": len(rows),
            "k": NEAR,
            "seen": VIEW,
            "seed": seed,
        }
        measured = []
        for name, kind, reads in _rows(encoder, samples):
            console.say(f"{TASK}: {name}")
            each = torch.stack([_staying(seen, read, name) for read in reads])  # [S, N]
            values = each @ weights.T / weights.sum(dim=1)
            measured.append(Resampled(name, kind, METRIC, values[:, 0], values[:, 1:], protocol))
        found = replace(compare(TASK, measured, {}, seed=seed), verdict=None)
    own = found.results[0]
    console.say(
        f"a proxy, which no label confirms: of the {NEAR} nearest neighbours of a sample {figure(own.value)} stay in "
        f"another view ({figure(NEAR / (len(rows) - 1))} by chance). `tacit runs` names the best by it"
    )
    return Proof(found, dataset, encoder, TASK)


def _rows(encoder: TrainedEncoder, samples: Subset) -> Iterator[tuple[str, Kind, Iterator[Read]]]:
    """Name, kind, and what reads views, made when it is asked for, so that memory holds one network."""
    yield name_of(encoder), "encoder", iter([encoder.vectors])
    if not encoder.network.solved:
        fresh = (TrainedEncoder(untrained(encoder, samples, seed), encoder.spec).vectors for seed in range(UNTRAINED))
        yield "untrained", "untrained", fresh
    for name, floor in encoder.modality.floors.items():
        yield name, "raw", iter([floor])


def _staying(seen: list[View], read: Read, name: str) -> Tensor:
    """Float64 `[N]`, the share of each sample's neighbours."""
    interrupt.check()
    first, second = (
        must_be_finite(
            torch.cat([read(view[part]).float() for part in torch.split(torch.arange(len(view)), 256)]), name
        )
        for view in seen
    )
    return staying(first, second)
