"""Several lists as one: weights that are learnt from items held out for that. K lists, N items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tacit import interrupt
from tacit.evaluation.chains import Chains, Doubles, Floats, Longs, Scorer, without_seen
from tacit.evaluation.lists import best_penalty, blocks_of, closed_forms

LEARNT_FROM = 2_000
"""Users whose held out items the weights are learnt from at most."""
CANDIDATES = 100
"""The first ones of each list, among which the right one is to stand out."""
RIDGE = 1e-3
"""Pulls weights to 0 that nothing speaks for."""
_OWN = "encoder"


@dataclass(frozen=True, eq=False)
class _Choice:
    """One user's candidates."""

    scores: Doubles
    """`[C, K]`, the right one first."""


def standardised(scores: Floats) -> Floats:
    """Each user's `scores [U, N]` with mean 0 and deviation 1, so that lists can be added."""
    mean, spread = scores.mean(axis=1, keepdims=True), scores.std(axis=1, keepdims=True)
    found: Floats = (scores - mean) / np.maximum(spread, 1e-9)
    return found


def mixed(found: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    """One list of several standardised ones."""
    total = np.zeros_like(next(iter(found.values())))
    for name, weight in weights.items():
        if weight:
            total += np.float32(weight) * found[name]
    return total


def learn(
    scorers: Mapping[str, Scorer], chains: Chains, wanted: Longs, users: Longs, *, filtered: bool
) -> dict[str, float]:
    """Name -> weight, none below 0, under which the `wanted` items (`[U]`) stand out among the first 100 of each list.

    The weights of a softmax regression on the standardised scores, a convex problem in K numbers; `chains` hold what
    users took before. At most 2,000 of `users` are asked, evenly spread.
    """
    some = users[np.unique(np.linspace(0, len(users) - 1, min(LEARNT_FROM, len(users))).astype(np.int64))]
    choices = []
    for rows in blocks_of(some, chains.count):
        interrupt.check()
        before = chains.select(rows)
        found = [standardised(score(before)) for score in scorers.values()]
        choices += _choices(found, before, wanted[rows], filtered=filtered)
    weights = _solved(choices, len(scorers))
    return dict(zip(scorers, (float(weight) for weight in weights), strict=True))


def _choices(found: Sequence[Floats], before: Chains, wanted: Longs, *, filtered: bool) -> list[_Choice]:
    open_ = [without_seen(scores, before) if filtered else scores for scores in found]
    count = min(CANDIDATES, before.count)
    first = [np.argpartition(-scores, count - 1, axis=1)[:, :count] for scores in open_]
    stacked, choices = np.stack(found, axis=2), []
    for row, right in enumerate(wanted.tolist()):
        if np.isneginf(open_[0][row, right]):
            continue  # it was taken before, and no list may offer it
        others = np.unique(np.concatenate([each[row] for each in first]))
        others = others[(others != right) & ~np.isneginf(open_[0][row, others])]
        choices.append(_Choice(stacked[row, np.append(right, others)].astype(np.float64)))
    return choices


def _solved(choices: Sequence[_Choice], lists: int) -> Doubles:
    from scipy.optimize import minimize

    if not choices:
        return np.ones(lists)

    def loss(weights: Doubles) -> tuple[float, Doubles]:
        interrupt.check()
        total, slope = RIDGE * float(weights @ weights), 2 * RIDGE * weights
        for choice in choices:
            logits = choice.scores @ weights
            share = np.exp(logits - logits.max())
            share /= share.sum()
            total -= float(np.log(share[0])) / len(choices)
            slope += (share @ choice.scores - choice.scores[0]) / len(choices)
        return total, slope

    found = minimize(loss, np.full(lists, 0.1), jac=True, method="L-BFGS-B", bounds=[(0, None)] * lists)
    solution: Doubles = found.x
    return solution


def hybrid(own: Scorer, chains: Chains, *, filtered: bool) -> Scorer:
    """The list of `own` and the closed forms fitted to `chains` as one, by weights that are learnt on the last items.

    For users who wait for a list: what is held out for choosing is given back to the closed forms at the end.
    """
    early, wanted = chains.without(np.where(chains.lengths > 1, 1, 0)), chains.at(1)
    users = np.flatnonzero(chains.lengths > 1)
    forms = closed_forms(best_penalty(early, wanted, users, filtered=filtered))
    weights = learn(
        {_OWN: own, **{name: fit(early) for name, fit in forms.items()}}, early, wanted, users, filtered=filtered
    )
    lists: dict[str, Scorer] = {_OWN: own, **{name: fit(chains) for name, fit in forms.items()}}
    return lambda some: mixed({name: standardised(score(some)) for name, score in lists.items()}, weights)
