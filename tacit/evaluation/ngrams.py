"""Counts of neighbouring tokens as a model of what comes next: the floor of everything that predicts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tacit import interrupt

Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Order:
    """What is known of the runs of n tokens; a run is numbered by its place in `runs`."""

    runs: Longs
    """Sorted keys: the number of the run of n - 1 tokens in front, times V + 1, plus the last token."""
    counts: Floats
    """How often each run occurs, or for shorter ones after how many different tokens."""
    totals: Floats
    """By the number of the run in front: the sum of its counts."""
    kinds: Floats
    """By the number of the run in front: after how many kinds it goes on."""
    discount: float


class NGrams:
    """Interpolated Kneser-Ney smoothing (Kneser and Ney 1995; Chen and Goodman 1999, section 2.7), a discount an order.

    p_n(w | h) = max(c(h w) - d, 0) / c(h) + d kinds(h) / c(h) p_{n-1}(w | h'), down to p_0 = 1 / V, where c of a run
    shorter than the longest counts the different tokens that stand in front of it.
    """

    def __init__(self, documents: Sequence[Longs], vocabulary: int, order: int = 5) -> None:
        """`documents`: ids from 0 to `vocabulary` - 1, each on its own."""
        self.vocabulary, self.order = vocabulary, order
        stream, real = self._stream(documents)
        runs, numbers, firsts = [], [np.zeros(len(stream), np.int64)], []
        for _ in range(order):
            interrupt.check()
            found, first, number = np.unique(self._keys(numbers[-1], stream), return_index=True, return_inverse=True)
            runs.append(found)
            firsts.append(first)
            numbers.append(number.astype(np.int64))
        self._orders: list[_Order] = []
        for n, keys in enumerate(runs):
            # of the longest runs every occurrence counts, of shorter ones one for each token in front of them
            places = real.nonzero()[0] if n == order - 1 else firsts[n + 1][real[firsts[n + 1]]]
            counts = np.bincount(numbers[n + 1][places], minlength=len(keys)).astype(np.float64)
            front, size = keys // (vocabulary + 1), len(runs[n - 1]) if n else 1
            once, twice = ((counts == k).sum() for k in (1, 2))
            self._orders.append(
                _Order(
                    keys,
                    counts,
                    np.bincount(front, counts, minlength=size).astype(np.float64),
                    np.bincount(front[counts > 0], minlength=size).astype(np.float64),
                    float(once / (once + 2 * twice)) if once else 0.5,
                )
            )

    def surprise(self, documents: Sequence[Longs]) -> Floats:
        """-log p of each token given those before it in its document, in nats, `[T]`, one document after the other."""
        stream, real = self._stream(documents)
        number = np.zeros(len(stream), np.int64)
        p = np.full(len(stream), 1 / self.vocabulary)
        for known in self._orders:
            interrupt.check()
            front = np.concatenate([number[:1], number[:-1]])
            keys = np.where(front >= 0, front * (self.vocabulary + 1) + stream, -1)
            place = np.searchsorted(known.runs, keys).clip(max=len(known.runs) - 1)
            number = np.where(known.runs[place] == keys, place, -1)
            count = np.where(number >= 0, known.counts[place], 0.0)
            total = np.where(front >= 0, known.totals[front.clip(min=0)], 0.0)
            kinds = np.where(front >= 0, known.kinds[front.clip(min=0)], 0.0)
            own = (np.maximum(count - known.discount, 0) + known.discount * kinds * p) / np.maximum(total, 1)
            p = np.where(total > 0, own, p)
        surprise: Floats = -np.log(p[real])
        return surprise

    def _stream(self, documents: Sequence[Longs]) -> tuple[Longs, npt.NDArray[np.bool_]]:
        """All documents, before each one as many marks as the longest run is long, and which tokens are no marks."""
        mark = np.full(self.order, self.vocabulary, np.int64)
        parts = [part for document in documents for part in (mark, document)]
        stream = np.concatenate(parts) if parts else mark
        return stream, stream != self.vocabulary

    def _keys(self, number: Longs, stream: Longs) -> Longs:
        front = np.concatenate([number[:1], number[:-1]])
        return front * (self.vocabulary + 1) + stream
