"""Does an encoder know who will take an item that nobody took before? `--task cold-start`.

Some items were kept out of all that training saw (`modality.cold`). Those users are judged whose last item is one of
them: M users, and the C items that were kept out are ranked.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from tacit import console, interrupt
from tacit.console import say
from tacit.core import TokenEncoder
from tacit.encoder import TrainedEncoder, build
from tacit.errors import DataError, UsageError
from tacit.evaluation.chains import Chains, Doubles, Floats, Longs, Scorer, ranks, without_seen
from tacit.evaluation.lists import blocks_of
from tacit.evaluation.resampled import compare, sample_weights
from tacit.modalities.catalogue import traits_of
from tacit.modalities.histories import HistoryLayout, ids_of, pauses_of
from tacit.proving.fitting import UNTRAINED
from tacit.proving.next_item import METRICS, UNTRAINED_ROW, measured_as
from tacit.proving.outcome import Proof, name_of
from tacit.ranker import grown, ranker
from tacit.view import FIRST_WORD

TASK = "cold-start"
POPULAR, ALIKE = "popular features", "feature-kNN"


def cold_start(encoder: TrainedEncoder, data: str, *, seed: int = 0, max_bad: float = 0.01) -> Proof:
    """Judge `encoder` by how high it ranks users' last items among items that it has never seen, by their features.

    Floors: how often items with these features were taken (`popular features`), and the cosine of an item's features to
    those of all that a user took (`feature-kNN`). Raises `UsageError` for an encoder that saw all items, and
    `DataError` where nobody can be judged.
    """
    layout = encoder.layout
    if not isinstance(layout, HistoryLayout) or not layout.cold or layout.catalogue is None:
        raise UsageError(
            f"--task {TASK} asks for items that training did not see: train with --set modality.features=items.csv "
            "--set modality.cold=0.1"
        )
    names = layout.cold.split("\n")
    wide = grown(encoder, names, layout.catalogue.lines[layout.count :])
    own = ranker(wide, f"--task {TASK}")
    with interrupt.listening():
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        chains = _chains(wide, dataset.raw, dataset.everything().source_rows)
        users = _judged(chains, layout.count)
        features = _features(wide)
        lists: dict[str, list[Scorer]] = {
            name_of(encoder): [own],
            UNTRAINED_ROW: [own.of(_untrained(wide, number)) for number in range(UNTRAINED)],
            POPULAR: [partial(_popular, features, chains, layout.count)],
            ALIKE: [partial(_alike, features)],
        }
        found = _ranked(lists, chains, users, layout.count)
        protocol = {
            "data": dataset.name,
            "content_hash": dataset.content_hash,
            "split": "items by a hash of their names: those to be ranked are in nothing that training saw",
            "users": len(users),
            "candidates": f"{len(names)} items that were kept out",
            "known items": layout.count,
            "features": [column.name for column in layout.catalogue.columns],
            "ties": "half of the equal ones above",
            "window": own.window,
        }
        drawn = sample_weights(len(users), seed=seed)
        measured = [
            measured_as(name, encoder, metric, ranked, drawn, protocol)
            for name, ranked in found.items()
            for metric in METRICS
        ]
        words = {next(iter(METRICS)): f"the new items that {len(users):,} users took to find"}
        return Proof(compare(TASK, measured, words, seed=seed), dataset, encoder, TASK)


def _chains(wide: TrainedEncoder, raw: Any, rows: Longs) -> Chains:
    """What all users took, items that were kept out among them."""
    assert isinstance(wide.layout, HistoryLayout)
    taken, pauses = [], []
    for row in rows.tolist():
        interrupt.check()
        taken.append(ids_of(raw(row), wide.layout) - FIRST_WORD)
        pauses.append(pauses_of(raw(row), wide.layout))
    return Chains.of(taken, wide.layout.count, pauses)


def _judged(chains: Chains, known: int) -> Longs:
    """Those users whose last item is new to the encoder and to them, and who took something else before."""
    last = chains.at(1)
    users = [
        user
        for user in np.flatnonzero((last >= known) & (chains.lengths > 1)).tolist()
        if last[user] not in chains.user(user)[:-1]
    ]
    if len(users) < 2:
        raise DataError(
            f"{len(users)} of {len(chains):,} users have an item last that was kept out: judging takes 2, better "
            "hundreds. Keep more out (modality.cold)"
        )
    say(f"note: {len(users):,} of {len(chains):,} users took an item last that was kept out, and are judged")
    return np.array(users, np.int64)


def _features(wide: TrainedEncoder) -> Any:
    """What is known of all items, sparse `[N, K]`."""
    from scipy.sparse import csr_matrix

    layout = wide.layout
    assert isinstance(layout, HistoryLayout)
    assert layout.catalogue is not None
    traits = traits_of(layout.catalogue, layout.count)
    ends = np.append(traits.starts.numpy(), len(traits.places))
    shape = (layout.vocabulary, traits.width)
    return csr_matrix((traits.values.numpy(), traits.places.numpy(), ends), shape=shape)[FIRST_WORD:]


def _popular(features: Any, chains: Chains, known: int, some: Chains) -> Floats:
    """The same list for everybody: how often the known items with each feature were taken on average, summed up."""
    counts = np.bincount(chains.items, minlength=chains.count)[:known].astype(np.float64)
    present = abs(features[:known])
    typical = (present.T @ counts) / np.maximum(np.asarray(present.sum(axis=0)).ravel(), 1e-9)
    share = (abs(features) @ typical) / np.maximum(np.asarray(abs(features).sum(axis=1)).ravel(), 1e-9)
    return np.tile(share.astype(np.float32), (len(some), 1))


def _alike(features: Any, some: Chains) -> Floats:
    """The cosine of each item's features to the sum of those of all that a user took, `[U, N]`."""
    from scipy.sparse import diags

    norms = np.sqrt(np.asarray(features.multiply(features).sum(axis=1)).ravel())
    unit = diags(1 / np.maximum(norms, 1e-9)) @ features
    return np.asarray(((some.matrix() @ unit) @ unit.T).toarray(), np.float32)


def _untrained(wide: TrainedEncoder, number: int) -> TokenEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1_000 + number)
        network = build(wide.spec).to(wide.device).eval()
    assert isinstance(network, TokenEncoder)
    return network


def _ranked(lists: Mapping[str, list[Scorer]], chains: Chains, users: Longs, known: int) -> dict[str, Doubles]:
    """Row -> ranks of the last items among those that were kept out, `[S, M]`, a line a member."""
    early, wanted = chains.without(1), chains.at(1) - known
    parts: dict[str, list[Doubles]] = {name: [] for name in lists}
    with console.progress("ranking", len(users)) as tick:
        for rows in blocks_of(users, chains.count):
            some = early.select(rows)
            for name, members in lists.items():
                open_ = [without_seen(one(some), some)[:, known:] for one in members]
                parts[name].append(np.stack([ranks(scores, wanted[rows]) for scores in open_]))
            tick(sum(part.shape[1] for part in parts[name]))
    return {name: np.concatenate(blocks, axis=1) for name, blocks in parts.items()}
