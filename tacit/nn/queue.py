"""A memory of older keys."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Queue(nn.Module):
    """The last `size` keys, first in, first out (He et al. 2020, arXiv 1911.05722, section 3.2).

    It starts full of random directions, as in the paper, which count as samples that nobody has (`index` -1).
    """

    keys: Tensor
    index: Tensor
    head: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("keys", F.normalize(torch.randn(size, dim), dim=1))
        self.register_buffer("index", torch.full((size,), -1))
        self.register_buffer("head", torch.zeros((), dtype=torch.long))

    def others(self, index: Tensor) -> Tensor:
        """Boolean `[B, size]`, False where a key was made from the query's own sample (`index` long `[B]`)."""
        return index[:, None] != self.index[None, :]

    @torch.no_grad()
    def push(self, keys: Tensor, index: Tensor) -> None:
        """Replace the oldest keys by `keys [B, D]` of the samples `index [B]`; of a batch above `size`, the last."""
        size = len(self.keys)
        keys, index = keys[-size:], index[-size:]
        slots = (self.head + torch.arange(len(keys), device=keys.device)) % size
        self.keys[slots] = keys
        self.index[slots] = index
        self.head.copy_((self.head + len(keys)) % size)


class Memory(nn.Module):
    """The newest key of each sample, in `size` places: a sample has one by its number, which others may have as well
    where there are more samples than places; then the last one that came stands there."""

    keys: Tensor
    index: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("keys", torch.zeros(size, dim))
        self.register_buffer("index", torch.full((size,), -1))

    def recall(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The keys `[B, D]` of the samples `index [B]`, and, boolean `[B]`, whose are known; those of others are no
        keys of theirs."""
        places = index % len(self.index)
        return self.keys[places], self.index[places] == index

    @property
    def held(self) -> Tensor:
        """All keys `[M, D]`, in the order of their places."""
        return self.keys[self.index >= 0]

    @property
    def owners(self) -> Tensor:
        """Whose the keys that are `held` are, long `[M]`."""
        return self.index[self.index >= 0]

    @torch.no_grad()
    def put(self, keys: Tensor, index: Tensor) -> None:
        """Keep `keys [B, D]` of the samples `index [B]`."""
        places = index % len(self.index)
        numbers = torch.arange(len(index), device=index.device)
        last = torch.full_like(self.index, -1).scatter_reduce(0, places, numbers, "amax")  # one a place on GPUs, too
        rows = last[last >= 0]
        self.keys[places[rows]] = keys[rows].to(self.keys)
        self.index[places[rows]] = index[rows]
