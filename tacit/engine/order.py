"""The order of samples: a function of (seed, epoch), so there is no loader whose state could get lost."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import torch
from torch import Tensor

from tacit.errors import UsageError


def fold(*parts: int | str) -> int:
    """A seed in [0, 2**63) that is a hash of `parts`, equal on every machine."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big") >> 1


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, n: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(fold("order", seed, epoch)))


def batches(n: int, batch: int) -> int:
    """Full batches in an epoch of `n` samples. Raises `UsageError` where there is none."""
    if batch > n:
        raise UsageError(f"a batch of {batch} is larger than the data ({n} samples): set batch to {n} or less")
    return n // batch


def rows(seed: int, epoch: int, step_in_epoch: int, batch: int, n: int) -> Tensor:
    """Long `[batch]`: the rows of one batch; over an epoch a permutation of `range(n)` without its last partial batch.

    For `step_in_epoch` equal to `n // batch` these are the `n % batch` rows left over.
    """
    return _permutation(seed, epoch, n)[step_in_epoch * batch : (step_in_epoch + 1) * batch]
