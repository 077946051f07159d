"""How loud a crowd is: `log sum exp` of products of vectors, without the matrix of all products.

The products are made in tiles, which stay in a core's cache, and made again on the way back, as in flash attention
(Dao et al. 2022, arXiv 2205.14135) and Inf-CL (Cheng et al. 2024, arXiv 2410.17243): memory is that of the vectors.
Products are made in the precision that autocast gives them, sums in float32 at least. There is no second derivative.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

TILES = {"cpu": (2**18, 2**9), "cuda": (2**24, 2**14)}
"""Kind of device -> products that are held at once, and keys that are looked at together, of many keys or a thousand:
as many as a core's cache holds, or as keep a GPU busy."""
FEW = 2**20
"""Products that are rather held than made twice: up to here that is faster, and no matter for memory."""
STEEPEST = 60.0
"""The largest product whose exponential may be taken as it is: a million of them and their inverse are float32."""


def crowd(queries: Tensor, keys: Tensor, own: Tensor | None = None, owners: Tensor | None = None) -> Tensor:
    """`log sum_n exp(q_m k_n)` over the keys that are another's, float32 `[M]` (float64 of such vectors).

    Args:
        queries: `[M, D]`.
        keys: `[N, D]`.
        own: long `[M]`, whose each query is; with `owners`, or neither.
        owners: long `[N]`, whose each key is: a query does not hear its own. Where all are, the result is -inf, and
            pulls at nothing.
    """
    kind = product_type(queries)
    queries, keys = queries.to(kind), keys.to(kind)
    if len(queries) * len(keys) <= FEW:
        return _products(queries, keys, own, owners).logsumexp(dim=1)
    found: Tensor = _Crowd.apply(queries, keys, own, owners)
    return found


def crowd_within(vectors: Tensor) -> Tensor:
    """`log sum_{n != m} exp(v_m v_n)` of the vectors `[N, D]` among themselves, `[N]`; no |v|^2 is above `STEEPEST`.

    A tile serves its rows and, mirrored, its columns, with one exponential for both: both ways together take two
    products of `[N, D]` and `[D, N]` in place of three.
    """
    found: Tensor = _Within.apply(vectors)
    return found


def product_type(x: Tensor) -> torch.dtype:
    """The precision that autocast gives to products of matrices, else that of `x`."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


class _Crowd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, own: Tensor | None, owners: Tensor | None) -> Tensor:
        total = _wide(queries).new_full((len(queries),), -torch.inf)
        for rows, columns, tile in _tiles(queries, keys, own, owners):
            found = tile.logsumexp(dim=1)
            total[rows] = found if columns.stop - columns.start == len(keys) else torch.logaddexp(total[rows], found)
        ctx.save_for_backward(queries, keys, own, owners, total)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        (slope,), (queries, keys, own, owners, total) = slopes, ctx.saved_tensors
        total = total.where(total.isfinite(), 0.0)  # who hears nobody: exp(-inf - 0) is 0, exp(-inf + inf) no number
        moved = torch.zeros_like(queries, dtype=total.dtype) if ctx.needs_input_grad[0] else None
        pulled = torch.zeros_like(keys, dtype=total.dtype) if ctx.needs_input_grad[1] else None
        for rows, columns, tile in _tiles(queries, keys, own, owners):
            share = tile.sub_(total[rows, None]).exp_().mul_(slope[rows, None]).to(keys.dtype)
            if moved is not None:
                moved[rows] += share @ keys[columns]
            if pulled is not None:
                pulled[columns] += share.T @ queries[rows]
        return moved, pulled, None, None


def _tiles(
    queries: Tensor, keys: Tensor, own: Tensor | None, owners: Tensor | None
) -> Iterator[tuple[slice, slice, Tensor]]:
    """(rows, columns, `_products` of these), each pair of places once."""
    held, together = _sizes(queries)
    width = min(len(keys), together)
    height = max(1, held // max(1, width))
    for start in range(0, len(queries), height):
        rows = slice(start, start + height)
        for first in range(0, len(keys), width):
            columns = slice(first, min(first + width, len(keys)))
            mine, theirs = (None, None) if own is None or owners is None else (own[rows], owners[columns])
            yield rows, columns, _products(queries[rows], keys[columns], mine, theirs)


def _products(queries: Tensor, keys: Tensor, own: Tensor | None, owners: Tensor | None) -> Tensor:
    """`[M, N]`, with those of a query and its own keys at -inf."""
    products = _wide(queries @ keys.T)
    if own is None or owners is None:
        return products
    return products.masked_fill_(own[:, None] == owners, -torch.inf)


class _Within(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor) -> Tensor:
        fast = vectors.to(product_type(vectors))
        total = _wide(vectors).new_zeros(len(vectors))
        for rows, columns, tile in _pairs(fast):
            total[rows] += tile.sum(dim=1)
            if rows != columns:
                total[columns] += tile.sum(dim=0)
        ctx.save_for_backward(fast, total)
        return total.log()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        """d v_i = sum_j (g_i p_ij + g_j p_ji) v_j, where p_ij = e_ij / sum_k e_ik and e is the same both ways."""
        (slope,), (fast, total) = slopes, ctx.saved_tensors
        weight, moved = slope / total, torch.zeros_like(fast, dtype=total.dtype)
        for rows, columns, tile in _pairs(fast):
            share = tile.mul_(weight[rows, None] + weight[columns]).to(fast.dtype)
            moved[rows] += share @ fast[columns]
            if rows != columns:
                moved[columns] += share.T @ fast[rows]
        return moved


def _pairs(fast: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """(rows, columns, exponentials of their products), each pair of places once, a vector's with itself at 0."""
    side = math.isqrt(_sizes(fast)[0])
    places = [slice(start, start + side) for start in range(0, len(fast), side)]
    for at, rows in enumerate(places):
        for columns in places[at:]:
            tile = _wide(fast[rows] @ fast[columns].T).exp_()
            yield rows, columns, tile.fill_diagonal_(0.0) if rows == columns else tile


def _sizes(x: Tensor) -> tuple[int, int]:
    return TILES["cpu" if x.device.type == "cpu" else "cuda"]


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
