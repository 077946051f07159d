"""What people drew on samples or wrote for them: boxes, masks, tags, transcripts, translations.

Readers of formats make these records, heads and tasks read them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tacit.evaluation.overlap import VOID as VOID

VOID_NAMES = frozenset({"void", "ignore", "ignored", "unlabelled", "unlabeled", "unannotated"})
"""Names that mean `VOID` in a list of classes, in lower case."""

Mask = npt.NDArray[np.uint8]
"""`[H, W]`, the class of each cell, or `VOID`."""
Tags = npt.NDArray[np.int16]
"""`[W]`, one number a word of a text, as `evaluation.spans.OUTSIDE` has them."""
Kind = Literal["boxes", "masks", "tags", "transcripts", "targets"]
"""Targets are samples of their own, such as translations, which are to be answered."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """The boxes drawn on one sample; K is their number."""

    corners: npt.NDArray[np.float32]
    """`[K, 4]`: left, upper, right, lower edge, in cells of the sample as its file holds it."""
    labels: npt.NDArray[np.int64]
    """`[K]`, index into the classes."""
    width: int
    height: int


@dataclass(frozen=True)
class Legend:
    """What the values or the colours of masks stand for, as a list beside the data says."""

    names: tuple[str, ...]
    """In the order of their values; those among `VOID_NAMES` are no classes."""
    colours: tuple[int, ...] = ()
    """0xRRGGBB of each name, or empty where masks hold values."""


@dataclass(frozen=True, eq=False)
class Annotations:
    """The annotations of the N samples of a source, unread."""

    kind: Kind
    classes: tuple[str, ...]
    """Names, in the order of their numbers; of masks without a legend only `masks.pack_masks` finds out, and
    transcripts and targets have none."""
    read: Callable[[int], Boxes | bytes | Mask | Tags | str]
    """Row of the source -> its annotation: boxes, a mask as it is stored (the bytes of a file or its cells), tags, what
    is said in a recording, or the bytes of a target.

    Raises `Unreadable` with the reason. Safe to call from several threads.
    """
    present: npt.NDArray[np.bool_]
    """`[N]`: which samples are annotated at all. A sample without objects is annotated, by nothing."""
    notes: tuple[str, ...] = ()
    """What the user should know: boxes that were left out and why, values that no class has."""
    legend: Legend | None = None
    """Of masks, where there is one."""
    fingerprint: str = ""
    """Of masks: changes when their files do."""
    twin: Annotations | None = None
    """The same objects in the other kind: COCO's files hold boxes and outlines."""

    def of(self, kind: Kind) -> Annotations | None:
        """The annotations of this kind, None where there are none."""
        return self if self.kind == kind else self.twin
