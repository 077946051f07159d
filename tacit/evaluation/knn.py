"""Weighted k nearest neighbours: what a representation says without any fitting."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit import interrupt


def knn(
    train: Tensor, labels: Tensor, test: Tensor, classes: int, *, k: int, temperature: float, tile: int = 256
) -> Tensor:
    """Classes, long `[M]`, of `test [M, D]` by a vote of the `k` nearest rows of `train [N, D]`; see `vote`."""
    return vote(*neighbours(train, test, k, tile=tile), labels, classes, temperature)


def neighbours(train: Tensor, test: Tensor, k: int, *, tile: int = 256) -> tuple[Tensor, Tensor]:
    """Cosines `[M, k]`, largest first, and rows, long `[M, k]`, of the `k` rows of `train [N, D]` nearest to `test`.

    Both are centred on the mean of `train`. With fewer than k rows all of them are returned. Neither matrix is copied:
    the centring of `train` is a correction to the products.
    """
    k = min(k, len(train))
    mean = train.mean(0)
    norms = torch.cat([(part - mean).norm(dim=1) for part in torch.split(train, 4096)]).clamp_min(1e-12)
    found = []
    for part in torch.split(test, tile):
        interrupt.check()
        query = F.normalize(part - mean, dim=1)
        cosine = (query @ train.T).sub_((query @ mean)[:, None]).div_(norms)
        found.append(cosine.topk(k, dim=1))
    return torch.cat([near for near, _ in found]), torch.cat([which for _, which in found])


def vote(near: Tensor, which: Tensor, labels: Tensor, classes: int, temperature: float) -> Tensor:
    """Classes, long `[M]`: a neighbour at cosine s votes with weight exp(s / temperature) for its label (long `[N]`).

    As in Wu et al. 2018, arXiv 1805.01978; `near` and `which [M, k]` are those of `neighbours`.
    """
    votes = torch.zeros(len(near), classes).scatter_add_(1, labels[which], (near / temperature).exp())
    return votes.argmax(1)
