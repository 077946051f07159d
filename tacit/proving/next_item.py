"""Does an encoder know what users take next? Leave one out, among all items: `--task next-item`.

Each user's last item tests, the one before it chooses what has to be chosen (penalty, weights), and training saw
neither. Where a moment divides users, or the log does by a column `split`, the first item from there on tests and the
last one before it chooses. M users are judged, N items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from tacit import console, interrupt
from tacit.console import say
from tacit.core import TokenEncoder
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError, UsageError
from tacit.evaluation import mixing
from tacit.evaluation.bench import Kind
from tacit.evaluation.chains import Chains, Doubles, Longs, Scorer, hit, ndcg, ranks, reciprocal, without_seen
from tacit.evaluation.lists import best_penalty, blocks_of, closed_forms
from tacit.evaluation.resampled import Resampled, compare, sample_weights
from tacit.modalities.histories import HistoryLayout, early_of, ids_of, pauses_of, taken
from tacit.proving.fitting import UNTRAINED, untrained
from tacit.proving.outcome import Proof, name_of
from tacit.ranker import Ranker, ranker
from tacit.view import FIRST_WORD

TASK = "next-item"
K = 10
METRICS = {f"NDCG@{K}": ndcg, f"HR@{K}": hit, f"MRR@{K}": reciprocal}
"""The first one decides."""
FEWEST = 3
"""Items of a user who is judged: one to test, one to choose by, one to go by."""
TESTED = 25_000
"""Users who are judged at most, evenly spread."""
RARE = 0.01
"""The share of repeats among the items to choose by below which lists offer nothing that was taken before."""
MIX, WITHOUT, UNTRAINED_ROW = "mix", "mix without it", "untrained"


@dataclass(frozen=True, eq=False)
class Held:
    """What users took, and who of them is judged."""

    chains: Chains
    """Of all users: up to the item that tests, where there is one."""
    users: Longs
    """`[M]`, those who are judged."""
    held: Longs
    """`[U, 2]`: how many items of each user test, one or none, and how many choose."""
    choosing: Longs
    """Those of `users` who have an item to choose by."""
    unknown: int
    """Interactions with items that the encoder does not know: they are left out."""
    layout: HistoryLayout
    """Says which items test."""

    def before(self, last: int) -> Chains:
        """All users without what tests (1), and without what chooses as well (2)."""
        return self.chains.without(self.held[:, :last].sum(axis=1))

    @cached_property
    def repeats(self) -> float:
        """The share of the items to choose by that their users took before."""
        before, wanted = self.before(2), self.chains.at(2)
        return float(np.mean([wanted[user] in before.user(user) for user in self.choosing.tolist()]))

    @property
    def filtered(self) -> bool:
        """Whether lists offer nothing that a user took before."""
        return self.repeats < RARE


def next_item(encoder: TrainedEncoder, data: str, *, seed: int = 0, max_bad: float = 0.01) -> Proof:
    """Judge `encoder` by the rank of each user's last item among all items, beside the field's closed forms.

    NDCG@10, which decides, HR@10 and MRR@10, as means over users, which intervals resample. Floors are fitted on all
    but each user's last item, and what they are chosen by is the one before it. `mix` adds all lists with weights that
    were learnt on the items to choose by, `mix without it` all but the encoder's. Raises `UsageError` for an encoder
    that makes no lists or has seen what it would be judged by, and `DataError` where nobody can be judged.
    """
    own = ranker(encoder, f"--task {TASK}")
    with interrupt.listening():
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        _must_not_know(encoder, dataset)
        held = held_of(encoder, dataset)
        scorers, weights, facts = _prepared(encoder, own, held)
        fresh = {UNTRAINED_ROW: [own.of(_untrained(encoder, dataset, number)) for number in range(UNTRAINED)]}
        found = _ranked({**{name: [one] for name, one in scorers.items()}, **fresh}, weights, held)
        protocol = {"data": dataset.name, "content_hash": dataset.content_hash, **_protocol(own, held), **facts}
        protocol["layout"] = encoder.layout.brief()
        drawn = sample_weights(len(held.users), seed=seed)
        order = dict.fromkeys((name_of(encoder), UNTRAINED_ROW, *found))
        measured = [
            measured_as(name, encoder, metric, found[name], drawn, protocol) for name in order for metric in METRICS
        ]
        words = {next(iter(METRICS)): f"the last items of {len(held.users):,} users to find"}
        return Proof(compare(TASK, measured, words, seed=seed), dataset, encoder, TASK)


def held_of(encoder: TrainedEncoder, dataset: Dataset) -> Held:
    """The whole histories of a data set as `encoder` knows them. Raises `DataError` where nobody can be judged."""
    layout = encoder.layout
    if not isinstance(layout, HistoryLayout):
        raise UsageError(f"--task {TASK} judges encoders of users, and this one reads {encoder.modality.unit}")
    users, pauses, early, total = list[Longs](), list[Longs](), list[tuple[int, int]](), 0
    for row in dataset.everything().source_rows.tolist():
        interrupt.check()
        raw = dataset.raw(row)
        users.append(ids_of(raw, layout) - FIRST_WORD)
        pauses.append(pauses_of(raw, layout))
        early.append(early_of(raw, layout) if layout.divided else (len(users[-1]),) * 2)
        total += len(taken(raw, layout))
    unknown = total - sum(map(len, users))
    chains, held = _divided(users, pauses, np.array(early), layout)
    enough = np.flatnonzero((held[:, 0] > 0) & (chains.lengths >= max(FEWEST, layout.core)))
    if len(enough) < 2 or not held[enough, 1].any():
        raise DataError(
            f"{len(enough)} of {len(users):,} users of {printable(dataset.name)} have {max(FEWEST, layout.core)} items "
            f"or more that the encoder knows{_when(layout)}, and judging takes 2, better hundreds"
        )
    for count, why in (
        (unknown, f"of {total:,} interactions are with items that the encoder does not know: they are left out"),
        (len(users) - len(enough), f"of {len(users):,} users have too few items to be judged"),
        (int((held[enough, 1] == 0).sum()), "users who are judged have no item of the part val: others choose"),
        (_behind(users, early) if layout.divided else 0, "items behind the one that tests are not asked for"),
    ):
        if count:
            say(f"note: {count:,} {why}")
    some = np.unique(np.linspace(0, len(enough) - 1, min(TESTED, len(enough))).astype(np.int64))
    judged = enough[some]
    return Held(chains, judged, held, judged[held[judged, 1] > 0], unknown, layout)


def _behind(users: Sequence[Longs], early: Sequence[tuple[int, int]]) -> int:
    """How many items stand behind those that test."""
    return sum(max(0, len(user) - tested - 1) for user, (_, tested) in zip(users, early, strict=True))


def _divided(
    users: Sequence[Longs], pauses: Sequence[Longs], early: Longs, layout: HistoryLayout
) -> tuple[Chains, Longs]:
    """What each user took up to the item that tests, and how many items test and choose, `[U, 2]`; `early [U, 2]`:
    as `early_of` says."""
    if not layout.divided:
        chains = Chains.of(users, layout.count, pauses)
        return chains, np.repeat((chains.lengths >= FEWEST).astype(np.int64)[:, None], 2, axis=1)
    lengths = np.array([len(user) for user in users])
    seen, tested = early.T
    shown, paused = ([each[: count + 1] for each, count in zip(told, tested, strict=True)] for told in (users, pauses))
    chains = Chains.of(shown, layout.count, paused)
    chooses = (tested > seen) & (tested >= FEWEST - 1)
    return chains, np.stack([lengths > tested, chooses], axis=1).astype(np.int64)


def _when(layout: HistoryLayout) -> str:
    if layout.parts:
        return f", one of them of the part {layout.parts.split()[-1]} and two before"
    return "" if layout.moment is None else f", one of them from {layout.moment:.15g} on and two before"


def _must_not_know(encoder: TrainedEncoder, dataset: Dataset) -> None:
    """Raises `UsageError` where the encoder was trained on what it would be judged by."""
    held_out = int(encoder.spec.modality.get("hold_out", 0))
    if held_out < 2 and encoder.spec.training.get("content_hash") == dataset.content_hash:
        raise UsageError(
            f"{encoder.path or 'this encoder'} was trained with modality.hold_out={held_out} on these users, so it has "
            "seen what it would be judged by: train one with hold_out=2 to be judged"
        )


def _untrained(encoder: TrainedEncoder, dataset: Dataset, number: int) -> TokenEncoder:
    network = untrained(encoder, dataset.everything(), number)
    assert isinstance(network, TokenEncoder)
    return network


def _prepared(
    encoder: TrainedEncoder, own: Ranker, held: Held
) -> tuple[dict[str, Scorer], dict[str, dict[str, float]], dict[str, Any]]:
    """The lists to be judged, the weights of their mixes, and what was chosen."""
    name, filtered = name_of(encoder), held.filtered
    wanted, early, late = held.chains.at(2), held.before(2), held.before(1)
    with console.progress("floors", 4) as tick:
        penalty = best_penalty(early, wanted, held.choosing, filtered=filtered)
        tick(1)
        forms = closed_forms(penalty)
        lists: dict[str, Scorer] = {name: own, **{each: fit(early) for each, fit in forms.items()}}
        tick(2)
        others = {each: scorer for each, scorer in lists.items() if each != name}
        weights = {
            title: mixing.learn(some, early, wanted, held.choosing, filtered=filtered)
            for title, some in ((MIX, lists), (WITHOUT, others))
        }
        tick(3)
        fitted = {each: fit(late) for each, fit in forms.items()}
        tick(4)
    return {name: own, **fitted}, weights, {"penalty": penalty, "weights": weights}


def _ranked(
    scorers: Mapping[str, Sequence[Scorer]], weights: Mapping[str, Mapping[str, float]], held: Held
) -> dict[str, Doubles]:
    """Row -> ranks of the last items, `[S, M]`, a line a member; mixes are of the first members."""
    late, wanted = held.before(1), held.chains.at(1)
    parts: dict[str, list[Doubles]] = {name: [] for name in (*scorers, *weights)}
    with console.progress("ranking", len(held.users)) as tick:
        done = 0
        for rows in blocks_of(held.users, late.count):
            some = late.select(rows)
            found = {name: [mixing.standardised(one(some)) for one in members] for name, members in scorers.items()}
            firsts = {name: several[0] for name, several in found.items()}
            found |= {name: [mixing.mixed(firsts, each)] for name, each in weights.items()}
            for name, several in found.items():
                open_ = [without_seen(scores, some) if held.filtered else scores for scores in several]
                parts[name].append(np.stack([ranks(scores, wanted[rows]) for scores in open_]))
            done += len(rows)
            tick(done)
    return {name: np.concatenate(blocks, axis=1) for name, blocks in parts.items()}


def _protocol(own: Ranker, held: Held) -> dict[str, Any]:
    seen = "left out of lists" if held.filtered else "offered again"
    return {
        "split": _split(held.layout),
        "users": len(held.users),
        "items": held.chains.count,
        "candidates": "all items",
        "seen": f"{seen}: {held.repeats:.1%} of the items to choose by are repeats",
        "ties": "half of the equal ones above",
        "window": own.window,
        "unknown": held.unknown,
        "floors": "fitted on all but the items that test, and nothing later",
    }


def _split(layout: HistoryLayout) -> str:
    """How users are divided, in words."""
    if layout.parts:
        *val, test = layout.parts.split("\n")
        chooses = f"the last one of the part {val[0]} before it" if val else "the last one before it"
        return (
            f"as the log's column split says: each user's first item of the part {test} tests, {chooses} chooses, "
            "training sees neither, nor anything of their parts or behind them"
        )
    if layout.moment is None:
        return "leave one out: each user's last item tests, the one before it chooses, training sees neither"
    return (
        f"by time: each user's first item from {layout.moment:.15g} on tests, the last one before it chooses, "
        "training sees neither, nor anything later of anybody"
    )


def _kind(name: str, encoder: TrainedEncoder) -> Kind:
    if name in (MIX, WITHOUT):
        return "method"
    return "encoder" if name == name_of(encoder) else "untrained" if name == UNTRAINED_ROW else "raw"


def measured_as(
    name: str, encoder: TrainedEncoder, metric: str, found: Doubles, drawn: torch.Tensor, protocol: Mapping[str, Any]
) -> Resampled:
    """One of `METRICS` of the row `name` by its ranks `found [S, M]`, and on resampled users, by weights `[R, M]`."""
    scores = torch.from_numpy(METRICS[metric](found, K))
    return Resampled(name, _kind(name, encoder), metric, scores.mean(1), scores @ drawn.T / scores.shape[1], protocol)
