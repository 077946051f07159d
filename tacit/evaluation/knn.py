"""Weighted k nearest neighbours: what a representation says without any fitting."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit import interrupt

ROWS = 4096
"""How many rows are centred and searched at once."""
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
    as a whole: `tile` of those who ask meet `ROWS` of the others at a time, so that what a product has made is still
    in the cache when its largest are looked for.
    """
    k, mean = min(k, len(train)), train.mean(0)
    found = [_nearest(train, _unit(part, mean), mean, k, tile) for part in torch.split(test, ASKED * tile)]
    return torch.cat([near for near, _ in found]), torch.cat([which for _, which in found])


def _nearest(train: Tensor, query: Tensor, mean: Tensor, k: int, tile: int) -> tuple[Tensor, Tensor]:
    """`neighbours` of some, which are centred and of length one."""
    near, which = query.new_empty(len(query), 0), torch.empty(len(query), 0, dtype=torch.long, device=query.device)
    for first, rows in zip(range(0, len(train), ROWS), torch.split(train, ROWS), strict=True):
        interrupt.check()
        unit = _unit(rows, mean)
        best = [(part @ unit.T).topk(min(k, len(rows)), dim=1) for part in torch.split(query, tile)]
        near = torch.cat([near, torch.cat([cosine for cosine, _ in best])], dim=1)
        which = torch.cat([which, torch.cat([row for _, row in best]).add_(first)], dim=1)
        near, at = near.topk(min(k, near.shape[1]), dim=1)
        which = which.gather(1, at)
    return near, which


def _unit(rows: Tensor, mean: Tensor) -> Tensor:
    """`rows [..., D]` less `mean`, of length one."""
    return F.normalize(rows - mean, dim=-1)


def vote(near: Tensor, which: Tensor, labels: Tensor, classes: int, temperature: float) -> Tensor:
    """Classes, long `[M]`: a neighbour at cosine s votes with weight exp(s / temperature) for its label (long `[N]`).

    As in Wu et al. 2018, arXiv 1805.01978; `near` and `which [M, k]` are those of `neighbours`.
    """
    votes = torch.zeros(len(near), classes).scatter_add_(1, labels[which], (near / temperature).exp())
    return votes.argmax(1)
