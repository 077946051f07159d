"""Contrast of tokens over time and over samples, at every scale of time."""

from __future__ import annotations

import torch
from torch import Tensor


def hierarchical(first: Tensor, second: Tensor, valid: Tensor, share: float = 0.5) -> tuple[Tensor, Tensor]:
    """The hierarchical contrast of TS2Vec (Yue et al. 2022, arXiv 2106.10466, eq. 1 to 3 and algorithm 1).

    Each token looks for that of the other view at the same place, by dot products: among all tokens of its own sample
    (over time), and among those at its place in all samples (over samples). Then neighbours in time are taken together
    by their maximum, and so on, until one token is left; an odd last one stays alone.

    Args:
        first, second: `[B, T, D]`, tokens of two views; those in column t show one and the same moment of a sample.
        valid: boolean `[B, T]`, False where there is no such pair: it enters nothing.
        share: of the contrast over samples in the sum of both.

    Returns:
        The loss `[B]`, the mean over the moments of a sample and over the scales, 0 where it has no moment; and the
        same where all similarities are equal, which is `ln(2 n - 1)` for n candidates.
    """
    first, second = first.float(), second.float()
    total, nothing, scales = 0.0 * first.sum(dim=(1, 2)), first.new_zeros(len(first)), 0
    while True:
        for weight, swap in ((share, True), (1 - share, False)):
            lost, even = _found(first, second, valid, over_samples=swap)
            total, nothing = total + weight * _mean(lost, valid), nothing + weight * _mean(even, valid)
        scales += 1
        if valid.shape[1] <= 1:
            return total / scales, nothing / scales
        first, second, valid = *(_coarser(x, valid) for x in (first, second)), _pairs(valid).any(dim=2)


def _found(first: Tensor, second: Tensor, valid: Tensor, *, over_samples: bool) -> tuple[Tensor, Tensor]:
    """-log of the softmax's share that each token's own counterpart gets, `[B, T]`, mean of both directions; and ln of
    how many it is chosen from."""
    if over_samples:
        lost, even = _found(*(x.transpose(0, 1) for x in (first, second, valid)), over_samples=False)
        return lost.T, even.T
    both, there = torch.cat([first, second], dim=1), valid.repeat(1, 2)
    itself = torch.eye(both.shape[1], dtype=torch.bool, device=both.device)
    alike = both @ both.transpose(1, 2)  # [N, 2 K, 2 K]
    alike = alike.masked_fill(itself | ~there[:, None], -torch.inf)
    # a token that is none chooses from none, and would get a gradient that is no number
    alike = alike.masked_fill(~there[..., None], 0.0)
    crowd = alike.logsumexp(dim=2).view(len(alike), 2, -1).mean(dim=1)
    even = (2 * valid.sum(dim=1, keepdim=True) - 1).clamp_min(1).log().expand_as(valid)
    return crowd - (first * second).sum(dim=2), even


def _mean(values: Tensor, valid: Tensor) -> Tensor:
    return values.where(valid, 0.0).sum(dim=1) / valid.sum(dim=1).clamp_min(1)


def _coarser(x: Tensor, valid: Tensor) -> Tensor:
    """The maximum of each two neighbours that are there: `[B, T, D]` -> `[B, ceil(T / 2), D]`, 0 where none is."""
    there = _pairs(valid)[..., None]
    highest = _pairs(x).masked_fill(~there, -torch.inf).amax(dim=2)
    return highest.where(there.any(dim=2), 0.0)


def _pairs(x: Tensor) -> Tensor:
    """`[B, T, ...]` -> `[B, ceil(T / 2), 2, ...]`, zeros behind an odd end."""
    odd = x.shape[1] % 2
    padded = torch.cat([x, torch.zeros_like(x[:, :1])], dim=1) if odd else x
    return padded.reshape(len(x), -1, 2, *x.shape[2:])
