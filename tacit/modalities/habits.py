"""What histories are like, before anything is learnt: repeats, and whether their order says something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from tacit.core import Raw, View
from tacit.evaluation.chains import Chains, hit, ranks, without_seen
from tacit.evaluation.lists import transitions
from tacit.modalities.histories import HistoryLayout, items_of
from tacit.view import FIRST_WORD

TAKEN, REPEATS, AGAIN = "items", "repeats", "at once"
_MANY = 0.01
_K = 10


def facts(raw: Raw) -> Mapping[str, str | float]:
    """How many items a user took, and the shares of those taken before and of those that are the last one again.

    Raises `Unreadable`.
    """
    taken = items_of(raw)
    pairs = max(1, len(taken) - 1)
    return {
        TAKEN: float(len(taken)),
        REPEATS: 1 - len(set(taken)) / len(taken),
        AGAIN: sum(one == other for one, other in pairwise(taken)) / pairs,
    }


def advice(values: Mapping[str, Sequence[str | float]], layout: HistoryLayout, view: View) -> Sequence[str]:
    """What follows from repeats, and from what transitions find in order and out of it."""
    counts = np.array(values[TAKEN], np.float64)
    shares = {name: float(counts @ np.array(values[name], np.float64) / counts.sum()) for name in (REPEATS, AGAIN)}
    said = []
    if shares[REPEATS] > _MANY:
        said.append(
            f"{shares[REPEATS]:.0%} of the interactions are with items that their users took before: lists that leave "
            "those out miss them (tacit recommend --again)"
        )
    if shares[AGAIN] > _MANY:
        said.append(
            f"in {shares[AGAIN]:.0%} the next item is the last one again: where that is one act in several rows, keep "
            "one of them, or every list that repeats the last item looks good"
        )
    found = _by_transitions(view, layout)
    if found is not None:
        ordered, shuffled = found
        told = (
            f"transitions find {ordered:.1%} of last items among {_K}, and {shuffled:.1%} once histories are shuffled"
        )
        if ordered > 1.5 * shuffled:
            said.append(f"the order of items says what comes next: {told}")
        else:
            said.append(f"the order of items says little: {told}. A network that reads it has little to gain over EASE")
    return said


def _by_transitions(view: View, layout: HistoryLayout) -> tuple[float, float] | None:
    """HR@10 of transitions on the last items, in order and shuffled; None where there are too few users."""
    assert view.valid is not None
    rows = zip(view.x.numpy(), view.valid.numpy(), strict=True)
    users = [ids[valid].astype(np.int64) - FIRST_WORD for ids, valid in rows if valid.sum() > 2]
    if len(users) < 20:
        return None
    generator = np.random.default_rng(0)
    shuffled = [generator.permutation(user) for user in users]
    ordered, mixed = (_found(Chains.of(each, layout.count)) for each in (users, shuffled))
    return ordered, mixed


def _found(chains: Chains) -> float:
    early, right = chains.without(1), 0.0
    score, wanted = transitions(early, 1), chains.at(1)
    for rows in np.array_split(np.arange(len(chains)), -(-len(chains) // 64)):
        some = early.select(rows)
        right += float(hit(ranks(without_seen(score(some), some), wanted[rows]), _K).sum())
    return right / len(chains)
