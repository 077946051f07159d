"""Weighted k nearest neighbours: what a representation says without any fitting."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit import interrupt


def knn(
    train: Tensor, labels: Tensor, test: Tensor, classes: int, *, k: int, temperature: float, tile: int = 256
) -> Tensor:
    """Classes, long `[M]`, of `test [M, D]` by a vote of the `k` nearest rows of `train [N, D]`.

    Both are centred on the mean of `train`; a neighbour at cosine s votes with weight exp(s / temperature) for its
    label (long `[N]`), as in Wu et al. 2018, arXiv 1805.01978. With fewer than k rows all of them vote. Neither matrix
    is copied: the centring of `train` is a correction to the products.
    """
    k = min(k, len(train))
    mean = train.mean(0)
    norms = torch.cat([(part - mean).norm(dim=1) for part in torch.split(train, 4096)]).clamp_min(1e-12)
    predictions = []
    for part in torch.split(test, tile):
        interrupt.check()
        query = F.normalize(part - mean, dim=1)
        cosine = (query @ train.T - (query @ mean)[:, None]) / norms
        near, which = cosine.topk(k, dim=1)
        votes = torch.zeros(len(query), classes).scatter_add_(1, labels[which], (near / temperature).exp())
        predictions.append(votes.argmax(1))
    return torch.cat(predictions)
