"""Lists of items without a network: the closed forms that models of sequences have to beat. U users, N items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from tacit import interrupt
from tacit.evaluation.chains import Chains, Fit, Floats, Longs, Scorer, ndcg, ranks, without_seen

NEIGHBOURS = 100
"""Other items that each item counts as like, in item-kNN."""
PENALTIES = (10.0, 30.0, 100.0, 300.0, 1000.0)
"""Of EASE, that are tried on the items held out for choosing."""
QUICK = 5_000
"""Items up to which all of them are tried."""
SOLVED = 15_000
"""The most popular items that EASE is solved for: N^3 steps and a few N x N matrices."""
_HALF = 1e-3
"""What popularity adds to likelihoods of transitions: it orders what no transition tells apart."""
CHOSEN_BY = 5_000
"""Users whose items held out for choosing decide on a penalty at most."""
_BLOCK = 512
_SCORES = 2**22
_MOST = 256


def popularity(chains: Chains) -> Scorer:
    """How often each item was taken, the same list for everybody."""
    share = _popularity(chains)

    def score(some: Chains) -> Floats:
        return np.tile(share, (len(some), 1))

    return score


def transitions(chains: Chains, hops: int) -> Scorer:
    """How often an item came h places after the last but h - 1 one, for h up to `hops`, weighed by 1 / h.

    Counts are shares of what followed; what is then equal is ordered by popularity.
    """
    following = [_followers(chains, hop) for hop in range(1, hops + 1)]
    share = _HALF * _popularity(chains)

    def score(some: Chains) -> Floats:
        total = np.tile(share, (len(some), 1))
        for hop, table in enumerate(following, 1):
            last = some.at(hop)
            there = np.flatnonzero(last >= 0)
            total[there] += table[last[there]].toarray() / hop
        return total

    return score


def item_neighbours(chains: Chains) -> Scorer:
    """Item-kNN: the cosine of two items is the share of users they have in common; each item has 100 neighbours.

    Sarwar et al. 2001; the score of an item is the sum of its cosines to those that a user took.
    """
    from scipy.sparse import csr_matrix, vstack

    taken = chains.matrix()
    norms = np.sqrt(np.asarray(taken.sum(axis=0)).ravel()).clip(min=1)
    unit = (taken @ _diagonal(1 / norms)).tocsc()
    blocks = []
    for start in range(0, chains.count, _BLOCK):
        interrupt.check()
        near = (unit[:, start : start + _BLOCK].T @ unit).tocoo()
        other = near.row + start != near.col
        shape = near.shape
        blocks.append(_nearest(csr_matrix((near.data[other], (near.row[other], near.col[other])), shape=shape)))
    alike = vstack(blocks, format="csr").T.tocsr()
    return lambda some: np.asarray((some.matrix() @ alike).toarray(), np.float32)


def _nearest(near: Any) -> Any:
    """Sparse rows with all but their `NEIGHBOURS` largest values dropped; equal ones stay together."""
    for start, end in pairwise(near.indptr.tolist()):
        if end - start > NEIGHBOURS:
            row = near.data[start:end]
            row[row < np.partition(row, -NEIGHBOURS)[-NEIGHBOURS]] = 0
    near.eliminate_zeros()
    return near


def ease(chains: Chains, penalty: float) -> Scorer:
    """EASE (Steck 2019, arXiv 1905.03375, equation 8): each item by a ridge regression on all others, in closed form.

    B = I - P diag(P)^-1 with P = (X^T X + penalty I)^-1; scores are X B. Of more than `SOLVED` items the most popular.
    """
    kept = _most_popular(chains)
    taken = chains.matrix()[:, kept]
    gram = torch.from_numpy((taken.T @ taken).toarray())
    gram.diagonal().add_(penalty)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
    interrupt.check()
    weights = inverse.div_(-inverse.diagonal()[None, :].clone()).numpy()
    np.fill_diagonal(weights, 0)

    def score(some: Chains) -> Floats:
        found = np.asarray(some.matrix()[:, kept] @ weights, np.float32)
        if len(kept) == some.count:
            return found
        whole = np.zeros((len(some), some.count), np.float32)
        whole[:, kept] = found
        return whole

    return score


def closed_forms(penalty: float) -> Mapping[str, Fit]:
    """All of them by name, the simplest first."""
    return {
        "popularity": popularity,
        "transitions": partial(transitions, hops=1),
        "transitions, 3 hops": partial(transitions, hops=3),
        "item-kNN": item_neighbours,
        "EASE": partial(ease, penalty=penalty),
    }


def best_penalty(chains: Chains, wanted: Longs, users: Longs, *, filtered: bool) -> float:
    """The penalty of EASE that ranks the `wanted` items (`[U]`) of `users` best, of those of `PENALTIES`.

    Each one takes N^3 steps: of more than 5,000 items by walking from the middle as long as it gets better.
    """
    some = users[np.unique(np.linspace(0, len(users) - 1, min(CHOSEN_BY, len(users))).astype(np.int64))]
    found: dict[int, float] = {}

    def reached(place: int) -> float:
        if not 0 <= place < len(PENALTIES):
            return -1.0
        if place not in found:
            found[place] = _reached(PENALTIES[place], chains, wanted, some, filtered=filtered)
        return found[place]

    if chains.count <= QUICK:
        return PENALTIES[max(range(len(PENALTIES)), key=reached)]
    place = len(PENALTIES) // 2
    step = 1 if reached(place + 1) > reached(place) else -1
    while reached(place + step) > reached(place):
        place += step
    return PENALTIES[place]


def _reached(penalty: float, chains: Chains, wanted: Longs, users: Longs, *, filtered: bool) -> float:
    """NDCG@10."""
    score, total = ease(chains, penalty), 0.0
    for rows in blocks_of(users, chains.count):
        some = chains.select(rows)
        found = score(some)
        total += float(ndcg(ranks(without_seen(found, some) if filtered else found, wanted[rows]), 10).sum())
    return total


def blocks_of(users: Longs, items: int) -> Sequence[Longs]:
    """`users`, so many at a time that no matrix of all of them and all `items` is held: 256, or fewer of a million."""
    size = max(1, min(_MOST, _SCORES // items))
    return np.split(users, range(size, len(users), size))


def _popularity(chains: Chains) -> Floats:
    """The share of each item in all that was taken, `[N]`, the most popular one's being 1."""
    counts = np.bincount(chains.items, minlength=chains.count).astype(np.float32)
    share: Floats = counts / max(1.0, float(counts.max(initial=0)))
    return share


def _most_popular(chains: Chains) -> Longs:
    counts = np.bincount(chains.items, minlength=chains.count)
    return np.sort(np.argsort(-counts, kind="stable")[:SOLVED])


def _followers(chains: Chains, hop: int) -> Any:
    """Sparse `[N, N]`: the share of each item among those `hop` places after another one."""
    from scipy.sparse import csr_matrix

    same = chains.owners[:-hop] == chains.owners[hop:]
    pair = (chains.items[:-hop][same], chains.items[hop:][same])
    shape = (chains.count, chains.count)
    found = csr_matrix((np.ones(len(pair[0]), np.float32), pair), shape=shape)
    return (_diagonal(1 / np.asarray(found.sum(axis=1)).ravel().clip(min=1)) @ found).tocsr()


def _diagonal(values: Any) -> Any:
    from scipy.sparse import diags

    return diags(values.astype(np.float32))
