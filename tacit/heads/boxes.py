"""Boxes as a truth that follows the view: cropped, resized and mirrored with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tacit.core import View
from tacit.errors import UsageError
from tacit.heads.head import Targets

VISIBLE = 0.3
"""The share of a box's area that a view has to show for the box to count: less is hardly to be recognised."""
NONE = -1
"""The label of rows that only fill up."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The boxes of a batch, in cells of the view; K is the largest number of a sample's."""

    corners: Tensor
    """`[B, K, 4]`: left, upper, right, lower edge."""
    labels: Tensor
    """Long `[B, K]`, `NONE` where there is no box."""


class BoxTargets(Targets):
    """The boxes of N samples, in cells of their packed form."""

    def __init__(self, corners: Tensor, labels: Tensor, classes: tuple[str, ...], shape: tuple[int, int]) -> None:
        """`corners [N, K, 4]`; `labels` long `[N, K]`, `NONE` where there is no box; `shape`: packed height, width."""
        self.corners, self.labels, self.classes, self.shape = corners, labels, classes, shape

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, view: View) -> Truth:
        """The boxes in cells of `view`, those that it hardly shows left out.

        Raises `UsageError` for a view that is turned, slanted or of another size.
        """
        assert view.index is not None
        truth = Truth(self.corners[view.index], self.labels[view.index])
        height, width = self.shape
        if view.x.shape[-2:] != (height, width):
            raise UsageError("views for detection must be as large as the samples: set scale=1 in their recipe")
        return truth if view.affine is None else into_view(truth, view.affine, (height, width))

    def select(self, rows: Tensor) -> BoxTargets:
        """The boxes of the samples `rows`."""
        labels = self.labels[rows]
        most = max(1, int((labels != NONE).sum(1).max())) if len(rows) else 1
        return BoxTargets(self.corners[rows, :most], labels[:, :most], self.classes, self.shape)

    def to(self, device: torch.device | str) -> BoxTargets:
        """The same boxes on another device."""
        return BoxTargets(self.corners.to(device), self.labels.to(device), self.classes, self.shape)

    def content(self) -> Iterator[Any]:
        """The boxes, their classes, and the shape that they refer to."""
        yield from (self.corners, self.labels, self.classes, self.shape)


def into_view(truth: Truth, affine: Tensor, shape: tuple[int, int]) -> Truth:
    """Boxes in cells of the packed samples of height and width `shape` -> in cells of views of that size.

    `affine [B, 2, 3]` as in `View`. Boxes are clipped to the view, and those of which it shows less than `VISIBLE` are
    labelled `NONE`.
    """
    if affine[:, [0, 1], [1, 0]].any():
        raise UsageError("views for detection must not be turned or slanted: set rotate=0 and shear=0 in their recipe")
    size = torch.tensor(shape[::-1], device=affine.device)
    # [B, 1, 1, 2] both; sides of views that are mirrored are negative
    half, centre = affine.diagonal(dim1=1, dim2=2)[:, None, None], affine[:, None, None, :, 2]
    places = truth.corners.reshape(*truth.labels.shape, 2, 2) * 2 / size - 1  # [B, K, 2 corners, (x, y)]
    moved = ((places - centre) / half + 1) * size / 2
    low, high = moved.amin(2), moved.amax(2)  # a mirrored view swaps the corners
    seen_low, seen_high = (torch.minimum(edge.clamp_min(0), size) for edge in (low, high))
    area, seen = (high - low).prod(2), (seen_high - seen_low).prod(2)
    kept = (seen > 0) & (seen >= VISIBLE * area)
    return Truth(torch.cat([seen_low, seen_high], dim=2), torch.where(kept, truth.labels, NONE))


def padded(corners: list[Tensor], labels: list[Tensor], classes: tuple[str, ...], shape: tuple[int, int]) -> BoxTargets:
    """Targets from the boxes of each sample, `[K_n, 4]` and long `[K_n]`."""
    most = max(1, max((len(each) for each in labels), default=0))
    together = torch.zeros(len(labels), most, 4)
    numbers = torch.full((len(labels), most), NONE)
    for row, (some, kinds) in enumerate(zip(corners, labels, strict=True)):
        together[row, : len(kinds)] = some
        numbers[row, : len(kinds)] = kinds
    return BoxTargets(together, numbers, classes, shape)
