"""Contrastive losses: find the positive among negatives by a softmax over similarities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

TILE = 512
"""Rows and columns of similarities that are looked at together: few enough to stay in a core's cache."""


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
    unit = F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=-1)
    others = (unit.sum(dim=0) - unit) / (len(z) - 1)
    positive = (unit * others).sum(dim=-1) / temperature  # the mean over a sample's other views
    crowd: Tensor = _Crowd.apply(unit.flatten(0, 1), temperature)
    return (crowd.view_as(positive) - positive).mean(dim=0)


class _Crowd(torch.autograd.Function):
    """`log sum_{j != i} exp(u_i u_j / T)` of unit vectors `[N, D]`, as `[N]`.

    The N^2 similarities are never held: a tile of them serves its rows and, mirrored, its columns, and is computed
    again on the way back, where d u_i = sum_j (g_i p_ij + g_j p_ji) u_j / T. Memory is O(N D), and both ways together
    take two products of `[N, D]` and `[D, N]` in place of three.
    """

    @staticmethod
    def forward(ctx: Any, unit: Tensor, temperature: float) -> Tensor:
        fast = unit.to(product_type(unit))
        total = unit.new_full((len(unit),), -torch.inf)
        for rows, columns, tile in _tiles(fast, temperature, unit.dtype):
            total[rows] = torch.logaddexp(total[rows], tile.logsumexp(dim=1))
            if rows != columns:
                total[columns] = torch.logaddexp(total[columns], tile.logsumexp(dim=0))
        ctx.save_for_backward(fast, total)
        ctx.temperature = temperature
        return total

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        (slope,), (fast, total) = slopes, ctx.saved_tensors
        moved = total.new_zeros(fast.shape)
        for rows, columns, tile in _tiles(fast, ctx.temperature, total.dtype):
            share = (tile - total[rows, None]).exp_().mul_(slope[rows, None])
            share += (tile - total[columns]).exp_().mul_(slope[columns])
            share = share.to(fast.dtype)
            moved[rows] += share @ fast[columns]
            if rows != columns:
                moved[columns] += share.T @ fast[rows]
        return moved / ctx.temperature, None


def _tiles(fast: Tensor, temperature: float, dtype: torch.dtype) -> Iterator[tuple[slice, slice, Tensor]]:
    """(rows, columns, similarities of these), each pair of places once, with those of a vector to itself at -inf."""
    places = [slice(start, start + TILE) for start in range(0, len(fast), TILE)]
    for at, rows in enumerate(places):
        for columns in places[at:]:
            tile = (fast[rows] @ fast[columns].T).to(dtype).div_(temperature)
            yield rows, columns, tile.fill_diagonal_(-torch.inf) if rows == columns else tile


def product_type(x: Tensor) -> torch.dtype:
    """The precision that autocast gives to products of matrices, else that of `x`."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


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


def paired_nce(first: Tensor, second: Tensor, temperature: float, alike: Tensor) -> Tensor:
    """NT-Xent of two views (`nt_xent`) in which samples that are alike do not repel each other.

    Args:
        first: `[B, D]`, need not be normalised.
        second: `[B, D]`, the positive of each of `first`, and the other way round.
        temperature: divides the cosine similarities.
        alike: boolean `[B, B]`, symmetric: True where two samples are no negatives of each other, as each is of itself.

    Returns:
        `[B]`; ln(1 + 2 K) where all similarities are equal, for a sample to which K others are not alike.
    """
    keys, usable = torch.cat([first, second]), ~alike.repeat(1, 2)
    there, back = ((first, second), (second, first))
    return (info_nce(*there, keys, temperature, usable) + info_nce(*back, keys, temperature, usable)) / 2


def mixed_nce(mixed: Tensor, keys: Tensor, partner: Tensor, share: Tensor, temperature: float) -> Tensor:
    """The mix-up contrast (Wickstrøm et al. 2022, arXiv 2203.09270, eq. 2): cross-entropy with two right answers.

    The paper counts each key twice, once as a first and once as a second part, which adds ln 2.

    Args:
        mixed: `[B, D]`, embeddings of the mixtures; need not be normalised.
        keys: `[B, D]`, those of what is in them: mixture i is of i and of `partner[i]`.
        partner: long `[B]`.
        share: `[B]`, of i in mixture i.
        temperature: divides the cosine similarities.

    Returns:
        `[B]`; ln B where all similarities are equal.
    """
    likely = (F.normalize(mixed, dim=1) @ F.normalize(keys, dim=1).T / temperature).log_softmax(dim=1)
    return -share * likely.diagonal() - (1 - share) * likely.gather(1, partner[:, None])[:, 0]
