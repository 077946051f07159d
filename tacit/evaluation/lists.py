"""Lists of items without a network: the closed forms that models of sequences have to beat. U users, N items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from tacit import interrupt
from tacit.evaluation.chains import Chains, Fit, Floats, Longs, Scorer, ndcg, ranks, without_seen

NEIGHBOURS = 100
"""Other items that each item counts as like, in item-kNN."""
PENALTIES = (10.0, 30.0, 100.0, 300.0, 1000.0)
"""Of EASE, that are tried on the items held out for choosing."""
SOLVED = 15_000
"""The most popular items that EASE is solved for: N^3 steps and a few N x N matrices."""
_HALF = 1e-3
"""What popularity adds to likelihoods of transitions: it orders what no transition tells apart."""
_BLOCK = 512


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
        dense = (unit[:, start : start + _BLOCK].T @ unit).toarray()
        dense[np.arange(len(dense)), start + np.arange(len(dense))] = 0
        kept = min(NEIGHBOURS, dense.shape[1] - 1)
        limit = np.partition(dense, -kept, axis=1)[:, -kept, None]
        blocks.append(csr_matrix(np.where(dense >= limit, dense, 0).astype(np.float32)))
    alike = vstack(blocks, format="csr").T.tocsr()
    return lambda some: np.asarray((some.matrix() @ alike).toarray(), np.float32)


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
    """The penalty of EASE that ranks the `wanted` items (`[U]`) of `users` best, of those of `PENALTIES`."""
    return max(PENALTIES, key=partial(_reached, chains=chains, wanted=wanted, users=users, filtered=filtered))


def _reached(penalty: float, chains: Chains, wanted: Longs, users: Longs, *, filtered: bool) -> float:
    """NDCG@10."""
    score, total = ease(chains, penalty), 0.0
    for rows in blocks_of(users):
        some = chains.select(rows)
        found = score(some)
        total += float(ndcg(ranks(without_seen(found, some) if filtered else found, wanted[rows]), 10).sum())
    return total


def blocks_of(users: Longs) -> Sequence[Longs]:
    """`users`, a few hundred at a time, so that no matrix of all users and items is held."""
    return np.split(users, range(256, len(users), 256))


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
