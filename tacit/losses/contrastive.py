"""Contrastive losses: find the positive among negatives by a softmax over similarities."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def nt_xent(z: Tensor, temperature: float) -> Tensor:
    """NT-Xent (Chen et al. 2020, arXiv 2002.05709, eq. 1), for two views or more.

    Each of the V B embeddings looks for the other views of *the same sample* among all embeddings but itself. With
    more than two views each other view is the positive in turn, and the losses are averaged (Khosla et al. 2020,
    arXiv 2004.11362, eq. 2).

    Args:
        z: `[V, B, D]`, V >= 2 views of B samples; need not be normalised.
        temperature: divides the cosine similarities.

    Returns:
        `[B]`, the mean over a sample's views; ln(V B - 1) where all similarities are equal.
    """
    unit = F.normalize(z, dim=-1)
    flat = unit.flatten(0, 1)
    # few passes over the [V B, V B] numbers: they are what a large batch costs
    similarity = (flat / temperature @ flat.T).to(flat.dtype).fill_diagonal_(-torch.inf)
    others = (unit.sum(dim=0) - unit) / (len(z) - 1)
    positive = (unit * others).sum(dim=-1) / temperature  # the mean over a sample's other views
    return (similarity.logsumexp(dim=1).view_as(positive) - positive).mean(dim=0)


def info_nce(query: Tensor, key: Tensor, negatives: Tensor, temperature: float, usable: Tensor | None = None) -> Tensor:
    """InfoNCE with explicit negatives (van den Oord et al. 2018, eq. 4; He et al. 2020, arXiv 1911.05722, eq. 1).

    Args:
        query: `[B, D]`, need not be normalised.
        key: `[B, D]`, the positive of each query.
        negatives: `[K, D]`, shared by all queries.
        temperature: divides the cosine similarities.
        usable: boolean `[B, K]`, False where a negative is not a true one (another key of the query's own sample).

    Returns:
        `[B]`; ln(K + 1) where all similarities are equal.
    """
    query, key, negatives = (F.normalize(t, dim=-1) for t in (query, key, negatives))
    positive = (query * key).sum(dim=1, keepdim=True)
    others = query @ negatives.T
    if usable is not None:
        others = others.masked_fill(~usable, -torch.inf)
    logits = torch.cat([positive, others], dim=1) / temperature
    return -logits.log_softmax(dim=1)[:, 0]
