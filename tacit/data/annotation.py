"""What people drew on samples: boxes and masks. Readers of formats make these records, heads and tasks read them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

VOID = 255
"""What a mask says where it says nothing: such cells are neither trained on nor judged."""

Mask = npt.NDArray[np.uint8]
"""`[H, W]`, the class of each cell, or `VOID`."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """The boxes drawn on one sample; K is their number."""

    corners: npt.NDArray[np.float32]
    """`[K, 4]`: left, upper, right, lower edge, in cells of the sample as its file holds it."""
    labels: npt.NDArray[np.int64]
    """`[K]`, index into the classes."""
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Annotations:
    """The annotations of the N samples of a source, unread."""

    kind: Literal["boxes", "masks"]
    classes: tuple[str, ...]
    """Names, in the order of their numbers."""
    read: Callable[[int], Boxes | Mask]
    """Row of the source -> its annotation; raises `Unreadable` with the reason. Safe to call from several threads."""
    present: npt.NDArray[np.bool_]
    """`[N]`: which samples are annotated at all. A sample without objects is annotated, by nothing."""
    notes: tuple[str, ...] = ()
    """What the user should know: boxes that were left out and why, values that no class has."""
