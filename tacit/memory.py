"""Memory for batches that is taken from the system once, and not anew for each of them."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

KEPT = 2**25 - 2**12
"""Bytes: about the most that glibc gives from its heap (`mallopt(3)`, M_MMAP_THRESHOLD)."""
LARGE, SPARE = 2**22, 2**30
"""Bytes: of the least block that is used again here, and how many of them lie idle at most."""
ALIGNED = 64
"""Bytes, as torch's own blocks are: what is computed of them can depend on it in the last bit."""
_spare: list[npt.NDArray[np.uint8]] = []
# views are made behind the steps, by another thread; a finaliser may run while its own thread holds the lock
_lock = threading.RLock()


@cache
def keep() -> None:
    """Have the C library keep what is freed, up to 64 MB; once a process.

    By default it gives back what lies at the end of its heap, and the system zeroes each page of 4 KB that is taken
    again, which costs more than a step of a view. Once a block of almost 32 MB was freed, glibc keeps twice as much
    (`mallopt(3)`: M_TRIM_THRESHOLD is dynamic). Nothing is written to the block, so that it costs nothing itself.
    """
    torch.empty(KEPT, dtype=torch.uint8)


def room(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """An empty tensor, contiguous; a large one of a CPU lies where an earlier one lay that nobody holds any more."""
    size = math.prod(shape) * dtype.itemsize
    if device.type != "cpu" or size < LARGE:
        return torch.empty(*shape, dtype=dtype, device=device)
    with _lock:
        fitting = [at for at, block in enumerate(_spare) if size <= len(block) - ALIGNED <= 2 * size]
        block = _spare.pop(fitting[-1]) if fitting else None
    if block is None:
        # numpy asks Linux for pages of 2 MB where an array is large (NUMPY_MADVISE_HUGEPAGE), torch does not
        block = np.empty(size + ALIGNED, np.uint8)
    start = -block.ctypes.data % ALIGNED
    held = block[start : start + size]
    weakref.finalize(held, _freed, block).atexit = False
    return torch.from_numpy(held).view(dtype).view(*shape)


def _freed(block: npt.NDArray[np.uint8]) -> None:
    """The tensor of `block` is gone; the oldest of too many go back to the system."""
    with _lock:
        _spare.append(block)
        while sum(map(len, _spare)) > SPARE:
            del _spare[0]


def floats(packed: Tensor) -> Tensor:
    """uint8 `[B, ...]` -> floats in [0, 1], of the type that torch makes by default."""
    x = room(packed.shape, torch.get_default_dtype(), packed.device)
    # on a CPU all values would lie in memory once more, as floats, before they are divided
    few = max(1, 2**18 // max(1, packed.shape[1:].numel())) if packed.device.type == "cpu" else max(1, len(packed))
    for into, some in zip(torch.split(x, few), torch.split(packed, few), strict=True):
        torch.div(some, 255, out=into)
    return x
