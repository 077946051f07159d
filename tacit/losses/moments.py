"""Losses on moments of episodes: which place comes next, and what was done."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def placewise(query: Tensor, key: Tensor) -> Tensor:
    """InfoNCE in each place apart: which of the B keys at its own place is the query's (Anand et al. 2019, arXiv
    1906.08226, eq. 3 and 4).

    Args:
        query: `[B, L, D]`, or `[B, 1, D]` for one that is compared in every place.
        key: `[B, L, D]`; scores are plain products.

    Returns:
        `[B]`, the mean over places; ln B where all scores are equal.
    """
    query = query.expand(-1, key.shape[1], -1)
    scores = torch.einsum("bld,cld->lbc", query.float(), key.float())
    own = scores.diagonal(dim1=1, dim2=2)
    return (scores.logsumexp(dim=2) - own).mean(dim=0)


def action_loss(answer: Tensor, action: Tensor) -> Tensor:
    """What it costs to answer about an action, `[B]`: cross-entropy of choices, mean squared error of numbers.

    Args:
        answer: `[B, A]`, logits or numbers.
        action: `[B, A]`, boolean and one-hot for choices, floating point for numbers.
    """
    if action.dtype == torch.bool:
        return F.cross_entropy(answer, action.int().argmax(dim=1), reduction="none")
    return (answer - action).square().mean(dim=1)
