"""Weighted k nearest neighbours: what a representation says without any fitting."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tacit import interrupt

ROWS, VALUES = 2**15, 2**24
"""How many rows, and of wide ones how many values, are centred and searched at once."""
ASKED = 8
"""For how many tiles of those who ask they are centred once."""


def knn(
    train: Tensor, labels: Tensor, test: Tensor, classes: int, *, k: int, temperature: float, tile: int = 256
) -> Tensor:
    """Classes, long `[M]`, of `test [M, D]` by a vote of the `k` nearest rows of `train [N, D]`; see `vote`."""
    return vote(*neighbours(train, test, k, tile=tile), labels, classes, temperature)


def neighbours(train: Tensor, test: Tensor, k: int, *, tile: int = 256) -> tuple[Tensor, Tensor]:
    """Cosines `[M, k]`, largest first, and rows, long `[M, k]`, of the `k` rows of `train [N, D]` nearest to `test`.

    Both are centred on the mean of `train`. With fewer than k rows all of them are returned. Neither matrix is copied
    as a whole: `tile` of those who ask meet about `ROWS` of the others at a time.
    """
    k, mean = min(k, len(train)), train.mean(0)
    found = [_nearest(train, _unit(part, mean), mean, k, tile) for part in torch.split(test, ASKED * tile)]
    return torch.cat([near for near, _ in found]), torch.cat([which for _, which in found])


def _nearest(train: Tensor, query: Tensor, mean: Tensor, k: int, tile: int) -> tuple[Tensor, Tensor]:
    """`neighbours` of some, which are centred and of length one."""
    near, which = query.new_empty(len(query), 0), torch.empty(len(query), 0, dtype=torch.long, device=query.device)
    first, parts = 0, math.ceil(len(train) / min(ROWS, max(1, VALUES // train.shape[1])))
    for rows in torch.chunk(train, parts):
        interrupt.check()
        unit = _unit(rows, mean)
        cosines = query.new_empty(min(tile, len(query)), len(rows))  # written over: new pages cost as much as a search
        best = [
            _largest(torch.mm(part, unit.T, out=cosines[: len(part)]), min(k, len(rows)))
            for part in torch.split(query, tile)
        ]
        near = torch.cat([near, torch.cat([cosine for cosine, _ in best])], dim=1)
        which = torch.cat([which, torch.cat([row for _, row in best]).add_(first)], dim=1)
        near, at = near.topk(min(k, near.shape[1]), dim=1)
        which, first = which.gather(1, at), first + len(rows)
    return near, which


def _largest(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The `k` largest of each row of `values [M, N]`, largest first, and their columns, long: both `[M, k]`.

    They lie in the k groups whose largest are largest. With sqrt(N / k) a group, 2 sqrt(N k) numbers a row are sorted.
    """
    M, N = values.shape
    group = math.isqrt(N // k)
    if group < 3:
        near, which = values.topk(k, dim=1)
        return near, which
    groups = N // group
    grouped = values[:, : group * groups].view(M, group, groups)
    hot = grouped.amax(1).topk(k, dim=1, sorted=False).indices
    member = groups * torch.arange(group, device=values.device)
    rest = torch.arange(group * groups, N, device=values.device)
    columns = torch.cat([(hot[:, None] + member[:, None]).flatten(1), rest.expand(M, -1)], dim=1)
    near, at = values.gather(1, columns).topk(k, dim=1)
    return near, columns.gather(1, at)


def _unit(rows: Tensor, mean: Tensor) -> Tensor:
    """`rows [..., D]` less `mean`, of length one."""
    centred = rows - mean
    return centred.div_(centred.norm(dim=-1, keepdim=True).clamp_min_(1e-12))


def vote(near: Tensor, which: Tensor, labels: Tensor, classes: int, temperature: float) -> Tensor:
    """Classes, long `[M]`: a neighbour at cosine s votes with weight exp(s / temperature) for its label (long `[N]`).

    As in Wu et al. 2018, arXiv 1805.01978; `near` and `which [M, k]` are those of `neighbours`.
    """
    votes = torch.zeros(len(near), classes).scatter_add_(1, labels[which], (near / temperature).exp())
    return votes.argmax(1)
