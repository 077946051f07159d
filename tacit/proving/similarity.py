"""Does an encoder find alike what people do? Pairs with scores, as in semantic textual similarity: `--task similarity`.

N pairs, of K sets; M distinct samples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tacit import console, interrupt
from tacit.console import say
from tacit.data.listing import printable
from tacit.data.pairs import Pairs, open_pairs
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError
from tacit.evaluation.bench import Kind
from tacit.evaluation.bootstrap import RESAMPLES, counts
from tacit.evaluation.correlation import pearson, spearman
from tacit.evaluation.resampled import Resampled, compare
from tacit.proving.outcome import Proof
from tacit.proving.rows import Material, rows_of

TASK = "similarity"
ALL, MEAN = "all pairs", "mean of sets"
_CHUNK = 2**21
"""Numbers of weights at a time."""

Correlation = Callable[[Tensor, Tensor, Tensor], Tensor]
CORRELATIONS: Mapping[str, Correlation] = {"Spearman": spearman, "Pearson": pearson}


@dataclass(frozen=True, eq=False)
class Scored:
    """The pairs of which both samples can be read, and what people say of them."""

    places: Tensor
    """Long `[N, 2]`, places among the M samples."""
    scores: Tensor
    """`[N]`."""
    sets: Tensor
    """Long `[N]`."""
    names: Sequence[str]
    """`[K]`."""

    def rows(self, number: int) -> Tensor:
        """The pairs of a set, long."""
        return (self.sets == number).nonzero().flatten()


@dataclass(frozen=True, eq=False)
class Likeness:
    """How alike a row finds the two samples of each pair, `[S, N]`, one line a seed."""

    row: str
    kind: Kind
    cosine: Tensor
    protocol: Mapping[str, Any]


def similarity(encoder: TrainedEncoder, data: str, *, seed: int = 0, max_bad: float = 0.01) -> Proof:
    """Judge `encoder` by how its cosines rank the pairs of `data` (see `pairs.open_pairs`), beside its floors.

    Spearman's and Pearson's correlation with the pairs' scores: of all pairs together (the "all" setting), of each set
    where there are several, and the mean over the sets, which decides, since sets need not share a scale. Intervals
    resample the pairs of each set. Nothing is fitted to a score. Raises `DataError` where there are no pairs.
    """
    modality = encoder.modality
    with interrupt.listening():
        pairs = open_pairs(data, modality.suffixes, modality.records)
        material = Material.of(encoder, pairs.source, max_bad=max_bad)
        scored = _readable(pairs, material)
        found = [*_likenesses(material, scored)]
        facts = _protocol(pairs, scored)
        measured = _measured(found, scored, {**facts, "seed": seed}, seed)
        dataset = replace(material.dataset, protocol=f"pairs {facts['pairs_sha256'][:16]}", parts={})
        decides = f"Spearman, {MEAN}" if len(scored.names) > 1 else "Spearman"
        words = f"{len(scored.scores):,} pairs" + (f" of {len(scored.names)} sets" if len(scored.names) > 1 else "")
        return Proof(compare(TASK, measured, {decides: words}, seed=seed), dataset, encoder, TASK)


def _readable(pairs: Pairs, material: Material) -> Scored:
    """Pairs by the places of their samples among those that can be read. Says what is left out."""
    kept = material.kept()
    place = np.full(len(pairs.source), -1, np.int64)
    place[kept] = np.arange(len(kept))
    places = place[pairs.rows]
    there = (places >= 0).all(1)
    lost = int((~there).sum())
    for count, why in (
        (pairs.unscored, "rows have no score: they are passed over"),
        (len(pairs.damaged), f"rows are no pair, such as {printable(next(iter(pairs.damaged), ''))}"),
        (lost, "pairs have a sample that cannot be read: they are left out"),
    ):
        if count:
            say(f"note: {count:,} {why}")
    scored = Scored(
        torch.from_numpy(places[there]),
        torch.from_numpy(pairs.scores[there]),
        torch.from_numpy(pairs.sets[there]),
        pairs.names,
    )
    for number, name in enumerate(scored.names):
        if len(set(scored.scores[scored.rows(number)].tolist())) < 2:
            raise DataError(
                f"the {len(scored.rows(number)):,} pairs of set {printable(name)} have no two different scores: there "
                "is nothing to rank. Give pairs with scores that differ, or name sets of more pairs"
            )
    return scored


def _protocol(pairs: Pairs, scored: Scored) -> dict[str, Any]:
    content = b"".join(tensor.numpy().tobytes() for tensor in (scored.places, scored.scores, scored.sets))
    return {
        "data": pairs.source.title,
        "pairs": {name: len(scored.rows(number)) for number, name in enumerate(scored.names)},
        "pairs_sha256": hashlib.sha256(content).hexdigest(),
        "rows_without_score": pairs.unscored,
        "rows_damaged": len(pairs.damaged),
        "likeness": "cosine of pooled features as they are",
        "ties": "mean ranks",
        "fitted": "floors and rivals to the samples of all pairs, without scores",
    }


def _likenesses(material: Material, scored: Scored) -> Iterator[Likeness]:
    first, second = scored.places.T
    for row in rows_of(material):
        each = []
        for seed in range(row.members):
            features = F.normalize(row.features(seed), dim=1)
            each.append((features[first] * features[second]).sum(1))
        yield Likeness(row.name, row.kind, torch.stack(each), row.protocol)
    for name, make in material.modality.terms.items():
        raws = material.raws()
        terms = make(raws)
        if terms.query is None:
            found = terms.document(raws)
            products = found[first.numpy()].multiply(found[second.numpy()]).sum(axis=1)
            cosine = torch.from_numpy(np.asarray(products, np.float32).reshape(1, -1))
            yield Likeness(name, "raw", cosine, {"fitted_on": len(raws)})


def _measured(found: Sequence[Likeness], scored: Scored, protocol: Mapping[str, Any], seed: int) -> list[Resampled]:
    """All metrics of all rows, on the pairs and on the same resamples of them."""
    values: dict[tuple[int, str], list[Tensor]] = {}
    with console.progress("correlations", RESAMPLES) as tick:
        done = 0
        for weights in _weights(scored, seed):
            interrupt.check()
            for number, one in enumerate(found):
                for metric, value in _correlations(one.cosine, scored, weights).items():
                    values.setdefault((number, metric), []).append(value)
            done += len(weights)
            tick(min(done, RESAMPLES))
    together = {key: torch.cat(parts, dim=1) for key, parts in values.items()}
    return [
        Resampled(one.row, one.kind, metric, each[:, 0], each[:, 1:], {**protocol, **one.protocol})
        for (number, metric), each in together.items()
        for one in (found[number],)
    ]


def _weights(scored: Scored, seed: int) -> Iterator[Tensor]:
    """How often each pair counts, `[R, N]` in blocks: once in the first row, then as resampled within its set."""
    total = len(scored.scores)
    generator = torch.Generator().manual_seed(seed)
    yield torch.ones(1, total)
    size = max(1, _CHUNK // total)
    for start in range(0, RESAMPLES, size):
        block = torch.zeros(min(size, RESAMPLES - start), total)
        for number in range(len(scored.names)):
            rows = scored.rows(number)
            block[:, rows] = counts(len(block), len(rows), generator).float()
        yield block


def _correlations(cosine: Tensor, scored: Scored, weights: Tensor) -> dict[str, Tensor]:
    """Metric -> its value `[S, R]` for cosines `[S, N]` under `weights [R, N]`, the deciding one first."""
    metrics: dict[str, Tensor] = {}
    for name, correlation in CORRELATIONS.items():

        def of(rows: Tensor, correlation: Correlation = correlation) -> Tensor:
            some, scores = weights[:, rows], scored.scores[rows]
            return torch.stack([correlation(each[rows], scores, some) for each in cosine])

        everything = of(torch.arange(len(scored.scores)))
        if len(scored.names) == 1:
            metrics[name] = everything
            continue
        by_set = [of(scored.rows(number)) for number in range(len(scored.names))]
        metrics[f"{name}, {MEAN}"] = torch.stack(by_set).mean(0)
        metrics[f"{name}, {ALL}"] = everything
        if name == "Spearman":
            metrics |= {f"{name}, {title}": value for title, value in zip(scored.names, by_set, strict=True)}
    return metrics
