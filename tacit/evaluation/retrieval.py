"""Retrieval: what lies near what, found exactly, and how good a ranking is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from tacit import interrupt

TILE = 2048
"""Rows of a tile of `pairs`."""
Floats = npt.NDArray[np.float32]


def centred(x: Tensor, mean: Tensor) -> Tensor:
    """`x [N, D]` minus `mean [D]`, scaled to length one: products of such rows are the cosines used everywhere here."""
    return F.normalize(x - mean, dim=1)


def nearest(gallery: Iterable[Tensor], queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Products `[M, k]`, largest first, and rows `[M, k]` of the `k` nearest of a gallery that comes in blocks.

    `gallery`: blocks `[n, D]` in order, so that it need not fit into memory; `queries [M, D]`. Of equal products the
    lower row wins. With fewer than k rows all of them are returned.
    """
    best = torch.empty(len(queries), 0)
    rows = torch.empty(len(queries), 0, dtype=torch.long)
    start = 0
    for block in gallery:
        interrupt.check()
        here = torch.arange(start, start + len(block)).expand(len(queries), -1)
        products = torch.cat([best, queries @ block.float().T], dim=1)
        order = products.sort(dim=1, descending=True, stable=True) if len(block) <= k else products.topk(k, dim=1)
        best, rows = order[0][:, :k], torch.cat([rows, here], dim=1).gather(1, order[1][:, :k])
        start += len(block)
    return best, rows


def pairs(vectors: Tensor, least: float, *, tile: int = TILE) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """All pairs of rows of `vectors [N, D]` with a product of `least` or more, each once: (rows, rows, products).

    Comes in blocks of at most `tile` x `tile` pairs, so that memory stays flat whatever N is. Integers are taken as
    floats a tile at a time.
    """
    for top in range(0, len(vectors), tile):
        first = vectors[top : top + tile].float()
        for left in range(top, len(vectors), tile):
            interrupt.check()
            products = first @ vectors[left : left + tile].float().T
            near = products >= least
            if left == top:
                near = near.triu(1)
            across, down = near.nonzero(as_tuple=True)
            yield across + top, down + left, products[across, down]


def average_precision(scores: Floats, relevant: Floats) -> float:
    """The average precision of a ranking of `scores [N]`, `relevant [R]` being those of the relevant ones among them.

    Equal scores have no order among them: each counts with the precision at the end of their group, as in
    scikit-learn. A ranking that ties all scores hence gets the share of the relevant.
    """
    return _average_precision(np.sort(scores), np.sort(relevant))


def _average_precision(scores: Floats, relevant: Floats) -> float:
    """The same of sorted scores: the mean, over the relevant, of the precision down to their score."""
    found = len(relevant) - np.searchsorted(relevant, relevant)
    seen = len(scores) - np.searchsorted(scores, relevant)
    return float((found / seen).mean())


def _precision(scores: Floats, relevant: Floats, k: int) -> float:
    """The share of relevant ones among the first `k`, of sorted scores; where ties reach over k, on average."""
    last = scores[-k]

    def above_and_tied(values: Floats) -> tuple[int, int]:
        above = len(values) - int(np.searchsorted(values, last, side="right"))
        return above, len(values) - int(np.searchsorted(values, last)) - above

    above, tied = above_and_tied(scores)
    right_above, right_tied = above_and_tied(relevant)
    return (right_above + (k - above) * right_tied / tied) / k


def by_class(
    gallery: Tensor, labels: Tensor, queries: Tensor, wanted: Tensor, ks: Sequence[int], *, tile: int = 256
) -> Tensor:
    """How well each of `queries [M, D]` finds the members of its class (`wanted`, long `[M]`): `[len(ks) + 1, M]`.

    Rows: precision at each k of `ks`, then the average precision over the whole ranking of `gallery [N, D]`, whose
    classes are `labels` (long `[N]`). By cosine, both centred on the mean of the gallery. Every class has members.
    """
    mean = gallery.mean(0)
    norms = torch.cat([(part - mean).norm(dim=1) for part in torch.split(gallery, 4096)]).clamp_min(1e-12)
    members = {label: (labels == label).numpy() for label in set(wanted.tolist())}
    found = np.empty((len(ks) + 1, len(queries)))
    for rows in torch.split(torch.arange(len(queries)), tile):
        interrupt.check()
        query = F.normalize(queries[rows] - mean, dim=1)
        cosine = (query @ gallery.T).sub_((query @ mean)[:, None]).div_(norms).numpy()
        for row, label, scores in zip(rows.tolist(), wanted[rows].tolist(), cosine, strict=True):
            relevant = np.sort(scores[members[label]])
            scores.sort()
            found[:, row] = [*(_precision(scores, relevant, k) for k in ks), _average_precision(scores, relevant)]
    return torch.from_numpy(found)


def pooled_average_precision(
    scores: Tensor, right: Tensor, owner: Tensor, wanted: Tensor, weights: Tensor, *, chunk: int = 8
) -> Tensor:
    """The average precision of all guesses in one ranking, as in copy detection ("micro"): `[R]`, one a resample.

    Unlike the mean over queries it asks that scores mean the same for every query, and punishes guesses where nothing
    is to be found (Douze et al. 2021, arXiv 2106.09672, section 5).

    Args:
        scores: `[P]`, how sure each guess is; equal scores count with the precision at the end of their group.
        right: boolean `[P]`.
        owner: long `[P]`, the unit (of S) that a guess belongs to and is resampled with.
        wanted: `[S]`, how many right guesses there are to be had for each unit.
        weights: `[R, S]`, how often each unit stands in each resample.
    """
    order = scores.argsort(descending=True)
    ordered, right, owner = scores[order], right[order].double(), owner[order]
    ends = torch.cat([(ordered[1:] != ordered[:-1]).nonzero().flatten(), torch.tensor([len(ordered) - 1])])
    found = []
    for some in torch.split(weights.double(), chunk):
        interrupt.check()
        each = some[:, owner]
        seen = each.cumsum(1)[:, ends]
        hits = (each * right).cumsum(1)[:, ends]
        gained = hits.diff(dim=1, prepend=torch.zeros(len(some), 1, dtype=torch.float64))
        found.append((gained * hits / seen.clamp_min(1)).sum(1) / (some @ wanted.double()).clamp_min(1))
    return torch.cat(found)
