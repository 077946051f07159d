"""The loss of a prediction of tokens: what they hold decides which."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def token_loss(predicted: Tensor, target: Tensor, *, absolute: bool = False) -> Tensor:
    """How far each prediction is from what its token holds, `[M]`.

    Args:
        predicted: logits `[M, K]` for ids, values `[M, P]` for values.
        target: ids, long `[M]`: cross-entropy; or values `[M, P]`: mean squared error over those that are no NaN.
        absolute: of values the mean absolute error instead.
    """
    if target.dtype == torch.long:
        return F.cross_entropy(predicted.float(), target, reduction="none")
    gap = predicted.float() - target.nan_to_num()
    return known_mean(gap.abs() if absolute else gap.square(), target)


def known_mean(values: Tensor, target: Tensor) -> Tensor:
    """The mean over the last axis of `values [..., P]` where `target` is no NaN: `[...]`, 0 where nothing is known.

    `values` must be numbers everywhere: what a NaN went into has a gradient that is none, even where it is left out.
    """
    known = ~target.isnan()
    mean: Tensor = (values * known).sum(dim=-1) / known.sum(dim=-1).clamp_min(1)
    return mean


def by_sample(losses: Tensor, chosen: Tensor) -> Tensor:
    """The mean of the `losses [M]` of each sample, `[B]`; `chosen [B, L]` says whose they are, M times True."""
    count = chosen.sum(dim=1)
    sample = torch.arange(len(chosen), device=losses.device).repeat_interleave(count)
    return losses.new_zeros(len(chosen)).index_add(0, sample, losses) / count.clamp_min(1)


def by_token(losses: Tensor, chosen: Tensor) -> Tensor:
    """The `losses [M]` of each sample, `[B]`, scaled so that their mean is the mean of all M; arguments as above."""
    count = chosen.sum(dim=1)
    return by_sample(losses, chosen) * count * (len(count) / count.sum().clamp_min(1))


def pairs_apart(said: Tensor, told: Tensor, pairs: Tensor) -> Tensor:
    """How far vectors are from those that they are paired with: 1 less their cosine, the mean over a sample's pairs.

    Args:
        said: `[B, L, D]`, of any length.
        told: `[B, L', D]`, of any length.
        pairs: boolean `[B, L, L']`.

    Returns:
        `[B]`, from 0 to 2, and 0 where a sample has no pair.
    """
    cosine = F.normalize(said.float(), dim=2) @ F.normalize(told.float(), dim=2).transpose(1, 2)
    apart: Tensor = ((1 - cosine) * pairs).sum(dim=(1, 2)) / pairs.sum(dim=(1, 2)).clamp_min(1)
    return apart


def unigram_loss(counts: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy `[M]` of a model that knows how often each id occurs, and nothing else: the line of nothing learnt.

    `counts [K]`, of which each gets one more (Laplace); `target`, long `[M]`.
    """
    surprise = -((counts.double() + 1) / (counts.double().sum() + len(counts))).log()
    each: Tensor = surprise[target]
    return each.float()


def perplexity(counts: Tensor) -> Tensor:
    """exp of the entropy of `counts [K]`: how many codes are in use, were all used alike; a scalar."""
    share = counts.double() / counts.double().sum().clamp_min(1)
    entropy: Tensor = torch.special.entr(share).sum()
    return entropy.exp().float()
