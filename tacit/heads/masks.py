"""Masks as a truth that follows the view: cropped, turned and resized with it, by nearest neighbour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit import interrupt
from tacit.core import View
from tacit.evaluation.overlap import VOID
from tacit.heads.head import Targets

READ = 64
"""Masks that are read at a time, where all of them are."""


class MaskTargets(Targets):
    """The masks of N samples, in the cells of their packed form; read when they are asked for."""

    def __init__(self, take: Callable[[Tensor], Tensor], rows: Tensor, classes: tuple[str, ...]) -> None:
        """`take`: numbers (long `[B]`) among `rows` (long `[N]`) -> masks, uint8 `[B, H, W]`, the class or `VOID`."""
        self._take, self._rows, self.classes = take, rows, classes

    def __len__(self) -> int:
        return len(self._rows)

    def masks(self, rows: Tensor) -> Tensor:
        """The masks of the samples `rows` (long `[B]`), uint8 `[B, H, W]`, on the CPU."""
        return self._take(self._rows[rows.cpu()])

    def of(self, view: View) -> Tensor:
        """Long `[B, H, W]`, the class at each cell of `view`, on its device."""
        assert view.index is not None
        masks = self.masks(view.index).to(view.x.device)
        return (masks if view.affine is None else into_view(masks, view.grid(*view.x.shape[2:]))).long()

    def select(self, rows: Tensor) -> MaskTargets:
        """The masks of the samples `rows`."""
        return MaskTargets(self._take, self._rows[rows.cpu()], self.classes)

    def to(self, device: torch.device | str) -> MaskTargets:
        """Itself: what is asked for goes to the view's device."""
        return self

    def content(self) -> Iterator[Any]:
        """The classes, and all masks, some at a time."""
        yield self.classes
        for rows in torch.split(torch.arange(len(self)), READ):
            interrupt.check()
            yield self.masks(rows)


def into_view(masks: Tensor, grid: Tensor) -> Tensor:
    """Masks `[B, H, W]` as they stand in views whose cells lie at `grid [B, h, w, 2]`: uint8 `[B, h, w]`.

    `grid` are (x, y), from -1 at the left and upper edge to 1 at the right and lower one; outside is `VOID`.
    """
    drawn = F.grid_sample(masks[:, None].float(), grid, mode="nearest", padding_mode="border", align_corners=False)
    inside = (grid.abs() <= 1).all(-1)
    return torch.where(inside, drawn[:, 0], VOID).to(torch.uint8)
