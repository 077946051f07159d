"""Which samples to label first: typical and diverse ones, so that few labels say much about all.

Features fall into as many clusters as there are labels to give, and one sample speaks for each: its most typical one
(TypiClust, Hacohen, Dekel and Weinshall 2022, arXiv 2202.02794) or its medoid.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tacit import interrupt

WIDTH = 64
"""Coordinates in which clusters are found; see `axes.Axes`. On SimCLR's features of CIFAR-10, 512 wide, these gave .290
and .392 with 10 and 40 chosen labels, the features themselves .268 and .373, and random draws .208 and .329."""
NEIGHBOURS = 60
"""The paper's 20 reached .274 with 10 labels where these reached .291; with 40 labels both .388."""
MEMBERS = 1000
"""Members among which a cluster's most typical one is looked for; among more, those are found that merely repeat."""
SAMPLE = 10_000
PER_CLUSTER = 256
"""Clusters are found from `SAMPLE` samples, or as many for each cluster where that is more."""
FEW_CLUSTERS, MANY_CLUSTERS = 50, 2000
"""Up to the first number k-means is started three times; more than the second are not looked for."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Samples to label, the most telling first."""

    rows: Tensor
    """Long `[B]`."""
    speaks_for: Tensor
    """Long `[B]`, how many samples are in the cluster of each."""


Pick = Callable[[Tensor, Tensor], Tensor]
"""(members of one cluster `[n, K]`, its centre `[K]`) -> their places, long `[n]`, the best first; length-one rows."""


def typical(members: Tensor, centre: Tensor) -> Tensor:
    """By the mean distance to the `NEIGHBOURS` nearest other members, least first."""
    near = torch.cdist(members, members).topk(min(NEIGHBOURS + 1, len(members)), largest=False).values
    return near.sum(1).argsort(stable=True)


def medoid(members: Tensor, centre: Tensor) -> Tensor:
    """By the distance to the centre: the first has the least sum of squared distances to all members."""
    return (members - centre).square().sum(1).argsort(stable=True)


METHODS: Mapping[str, Pick | None] = {"typical": typical, "kmedoids": medoid, "random": None}
"""How one sample of a cluster is chosen; `random` knows no clusters, and is the floor."""


def choose(
    x: Tensor, budget: int, *, methods: tuple[str, ...] = ("typical",), known: Tensor | None = None, seed: int = 0
) -> dict[str, Choice]:
    """`budget` samples to label, by each of `methods` (names of `METHODS`), from coordinates `x [N, K]`.

    `known`: boolean `[N]`, the samples that are labelled already: they are not chosen, and nothing is chosen from
    clusters with one of them as long as there are others. Takes one sample from each cluster, the largest first. The
    result is a function of `seed` and of the set of samples, not of their order. At least `budget` samples are unknown.
    """
    known = torch.zeros(len(x), dtype=torch.bool) if known is None else known
    order = _shuffled(x, seed)
    x, known = F.normalize(x[order], dim=1), known[order]
    free = (~known).nonzero().flatten()
    assert budget <= len(free)
    picks = {method: METHODS[method] for method in methods}
    chosen = {}
    if any(picks.values()):
        centres = _centres(x, min(budget + int(known.sum()), MANY_CLUSTERS), seed)
        cluster = torch.cat([torch.cdist(part, centres).argmin(1) for part in torch.split(x, 4096)])
    for method, pick in picks.items():
        if pick is None:
            chosen[method] = Choice(order[free[:budget]], torch.ones(budget, dtype=torch.long))
        else:
            rows = _from_clusters(x, cluster, centres, known, budget, pick)
            chosen[method] = Choice(order[rows], torch.bincount(cluster)[cluster[rows]])
    return chosen


def _shuffled(x: Tensor, seed: int) -> Tensor:
    """Rows, long `[N]`, in an order that does not depend on the one they came in, but for rows that are equal."""
    by_value = np.lexsort(x[:, : min(3, x.shape[1])].numpy().T)
    return torch.from_numpy(by_value[np.random.default_rng(seed).permutation(len(x))])


def _centres(x: Tensor, count: int, seed: int) -> Tensor:
    """k-means with `count` clusters: their centres `[count, K]`, fewer where fewer samples differ."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    interrupt.check()
    few = count <= FEW_CLUSTERS
    means = KMeans(count, init="k-means++" if few else "random", n_init=3 if few else 1, max_iter=50, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer samples differ than clusters are wanted
        means.fit(x[: max(SAMPLE, PER_CLUSTER * count)].numpy())
    return torch.from_numpy(np.unique(means.cluster_centers_, axis=0))


def _from_clusters(x: Tensor, cluster: Tensor, centres: Tensor, known: Tensor, budget: int, pick: Pick) -> Tensor:
    """Rows, long `[budget]`: turn by turn from the cluster that has the most samples for each that is known."""
    sizes = torch.bincount(cluster, minlength=len(centres)).double()
    taken = torch.bincount(cluster[known], minlength=len(centres)).double()
    left = torch.bincount(cluster[~known], minlength=len(centres))
    ranked: dict[int, list[int]] = {}
    rows = []
    for _ in range(budget):
        # uncovered clusters come first, the largest in front; then those where a label speaks for the most
        worth = torch.where(taken > 0, sizes / (taken + 1), sizes + len(x))
        best = int(torch.where(left > 0, worth, -1.0).argmax())
        if best not in ranked:
            interrupt.check()
            members = ((cluster == best) & ~known).nonzero().flatten()
            ahead = members[:MEMBERS][pick(x[members[:MEMBERS]], centres[best])]
            ranked[best] = [*ahead.tolist(), *members[MEMBERS:].tolist()][::-1]
        rows.append(ranked[best].pop())
        taken[best] += 1
        left[best] -= 1
    return torch.tensor(rows)
