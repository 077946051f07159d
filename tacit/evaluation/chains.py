"""What users took, in order, and how high a list of items ranks what they took next. U users, N items from 0 on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Chains:
    """The items of U users, each one's oldest first."""

    items: Longs
    """`[T]`, one user behind the other."""
    ends: Longs
    """`[U]`, where each user's end."""
    count: int
    """N, how many items there are."""
    pauses: Longs
    """`[T]`, how long before each item the one before it was taken, as `View.pauses` says it; 0 where nobody knows."""

    @classmethod
    def of(cls, users: Sequence[Longs], count: int, pauses: Sequence[Longs] | None = None) -> Chains:
        """Of arrays, one a user."""
        lengths = np.array([len(taken) for taken in users], np.int64)
        items, paused = (np.concatenate([np.zeros(0, np.int64), *each]) for each in (users, pauses or ()))
        return cls(items, np.cumsum(lengths), count, np.zeros_like(items) if pauses is None else paused)

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def lengths(self) -> Longs:
        """`[U]`."""
        return np.diff(self.ends, prepend=0)

    @property
    def owners(self) -> Longs:
        """`[T]`, whose each item is."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def user(self, number: int) -> Longs:
        """The items of one."""
        return self.items[self._span(number)]

    def paused(self, number: int) -> Longs:
        """The pauses before the items of one."""
        return self.pauses[self._span(number)]

    def _span(self, number: int) -> slice:
        return slice(self.ends[number - 1] if number else 0, self.ends[number])

    def at(self, back: int) -> Longs:
        """`[U]`, the item `back` from the end of each user, 1 for the last; -1 where there is none."""
        place = self.ends - back
        there = back <= self.lengths
        found: Longs = np.where(there, self.items[np.where(there, place, 0)] if len(self.items) else -1, -1)
        return found

    def select(self, users: Longs) -> Chains:
        """Some of the users, numbered anew."""
        rows = users.tolist()
        return Chains.of([self.user(row) for row in rows], self.count, [self.paused(row) for row in rows])

    def without(self, last: int | Longs) -> Chains:
        """Each user without the `last` ones (a number, or one for each, `[U]`)."""
        kept = self.lengths - last
        place = np.arange(len(self.items)) - np.repeat(self.ends - self.lengths, self.lengths)
        left = place < np.repeat(kept, self.lengths)
        return Chains(self.items[left], np.cumsum(kept.clip(min=0)), self.count, self.pauses[left])

    def matrix(self) -> Any:
        """Sparse `[U, N]`, 1 where a user took an item, however often."""
        from scipy.sparse import csr_matrix

        shape = (len(self), self.count)
        found = csr_matrix((np.ones(len(self.items), np.float32), (self.owners, self.items)), shape=shape)
        found.data[:] = 1
        return found


Scorer = Callable[[Chains], Floats]
"""What some users took so far -> a score for each item to come next, `[U, N]`, the higher the likelier."""
Fit = Callable[[Chains], Scorer]
"""Learns from what all users took."""


def without_seen(scores: Floats, chains: Chains) -> Floats:
    """A copy of `scores [U, N]` in which what a user took before is out of the question."""
    left = scores.copy()
    left[chains.owners, chains.items] = -np.inf
    return left


def ranks(scores: Floats, wanted: Longs) -> Doubles:
    """How many items stand above the `wanted` ones, `[U]`, from 0; of equal scores half, as if by chance.

    N where the wanted one is out of the question.
    """
    own = np.take_along_axis(scores, wanted[:, None], axis=1)
    above = (scores > own).sum(axis=1) + ((scores == own).sum(axis=1) - 1) / 2
    found: Doubles = np.where(np.isneginf(own[:, 0]), float(scores.shape[1]), above)
    return found


def hit(found: Doubles, k: int) -> Doubles:
    """HR@k, which is recall@k: 1 where the wanted one is among the first k (`found`: ranks `[U]`)."""
    return (found < k).astype(np.float64)


def ndcg(found: Doubles, k: int) -> Doubles:
    """NDCG@k of one wanted item: 1 / log2(rank + 2) among the first k, else 0."""
    return hit(found, k) / np.log2(found + 2)


def reciprocal(found: Doubles, k: int) -> Doubles:
    """MRR@k: 1 / (rank + 1) among the first k, else 0."""
    return hit(found, k) / (found + 1)
