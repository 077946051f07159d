"""Where methods and modalities meet: what an encoder eats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

PADDING, UNKNOWN, MARK, MASK = range(4)
"""Ids that mean the same in every vocabulary: padding, what is not in it, beginning and end, something hidden."""
PAUSES = 96
"""How many pauses are told apart: 0 stands for one that is not known."""
FIRST_WORD = 4
"""The first id that says something: those below are never written."""


BESIDE = ("valid", "where", "index", "pauses", "later", "actions", "taught", "label", "affine")
"""What a view says of its samples beside `x`, a row each."""


@dataclass(frozen=True, eq=False)
class Traits:
    """What is known of each id beside which one it is: a sparse matrix `[V, K]`, row by row."""

    starts: Tensor
    """Long `[V]`, where each id's terms begin."""
    places: Tensor
    """Long `[N]`, which of the K terms they are."""
    values: Tensor
    """Float `[N]`."""
    width: int
    """K."""


@dataclass(frozen=True, eq=False)
class View:
    """One view of a batch: the only thing an encoder reads."""

    x: Tensor
    """`[B, ...]`, floating point or token ids."""
    valid: Tensor | None = None
    """Boolean `[B, L]`, False on padding and on missing values; None where every position is real."""
    where: Tensor | None = None
    """`[B, L(, k)]`, each position's coordinates in the original sample, so that two crops can be aligned."""
    index: Tensor | None = None
    """Long `[B]`, each sample's row in its data set: what banks, labels and masks of true negatives look up."""
    vocabulary: int | None = None
    """How many ids there are where `x` holds token ids: 0 is padding, 1 what is not in the vocabulary."""
    pauses: Tensor | None = None
    """Long `[B, L]`, below `PAUSES`: how long before each position the one before it was; None where nothing says."""
    traits: Traits | None = None
    """What is known of the ids, where `x` holds token ids and more is known of them than which ones they are."""
    stops: tuple[int, ...] = ()
    """The ids that end a sentence, where `x` holds token ids and there are such."""
    rate: int | None = None
    """Samples a second, where `x [B, L, P]` holds a wave, cut into frames of P samples."""
    later: Tensor | None = None
    """`[B, N, ...]`, what is observed in the N steps after, where samples are moments: what `next` is made of."""
    actions: Tensor | None = None
    """`[B, N, A]`, what was done in these N steps: boolean, one-hot, where an action is a choice of A, else numbers."""
    taught: Tensor | None = None
    """Float `[B, D]`, what a teacher made of each sample, whatever a view shows of it; None without a teacher."""
    label: Tensor | None = None
    """Long `[B]`, the class of each sample, -1 where it has none; None where the learner asked for no labels."""
    affine: Tensor | None = None
    """What `where` is of images: float `[B, 2, 3]`, from (x, y, 1) in the view to (x, y) in the image that it was cut
    from, both from -1 at the left and upper edge to 1 (`F.affine_grid`); None where the view is the image."""

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: slice | Tensor) -> View:
        """Some of the samples: a slice, or their places (long or boolean)."""

        def pick(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[rows]

        return self._each(self.x[rows], pick)

    def to(self, device: torch.device | str) -> View:
        """The same view on another device."""

        def move(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device, non_blocking=True)

        return self._each(self.x.to(device, non_blocking=True), move)

    def _each(self, x: Tensor, change: Callable[[Tensor | None], Tensor | None]) -> View:
        """The view with `x`, all else that it says of its samples being changed alike."""
        beside: dict[str, Any] = {name: change(getattr(self, name)) for name in BESIDE}
        return replace(self, x=x, **beside)

    def with_x(self, x: Tensor) -> View:
        """The same samples with other values `x [B, ...]`."""
        return replace(self, x=x)

    def grid(self, rows: int, columns: int) -> Tensor:
        """Where the cells of a view of images have their centres, as `affine` says it: `[B, rows, columns, 2]`."""
        assert self.affine is not None, "a view that was cut from an image says where"
        return F.affine_grid(self.affine, [len(self), 1, rows, columns], align_corners=False)

    def after(self, steps: int) -> View:
        """The moments `steps` later, 1 to N, where samples are moments: of as many observations, also from `later`."""
        assert self.later is not None, "samples of moments say what comes next"
        rows, _, width, *shape = self.later.shape
        held = torch.cat([self.x.view(rows, -1, width, *shape), self.later], dim=1)
        count = self.x.shape[1] // width
        return replace(self, x=held[:, steps : steps + count].flatten(1, 2), later=None)


def concatenate(views: Sequence[View]) -> View:
    """Views of one shape as one batch, in order: `[B1 + B2 + ..., ...]`. What is observed later is left out."""

    def join(parts: Sequence[Tensor | None]) -> Tensor | None:
        present = [part for part in parts if part is not None]
        assert len(present) in (0, len(parts)), "either every view has a member or none"
        return torch.cat(present) if present else None

    # encoders do not read what is later, and not every kind of view has it
    beside: dict[str, Any] = {name: join([getattr(view, name) for view in views]) for name in BESIDE if name != "later"}
    return replace(views[0], x=torch.cat([view.x for view in views]), later=None, **beside)


def packed(view: View) -> View:
    """The same samples of ids `[B, L]`, the valid ones side by side at the left, at new places, as short as can be."""
    valid = torch.ones_like(view.x, dtype=torch.bool) if view.valid is None else view.valid
    longest = max(1, int(valid.sum(dim=1).max())) if len(valid) else 1
    order = valid.logical_not().to(torch.uint8).argsort(dim=1, stable=True)[:, :longest]
    left = valid.gather(1, order)
    where = torch.arange(order.shape[1], device=view.x.device).expand_as(order)
    pauses = None if view.pauses is None else view.pauses.gather(1, order) * left
    return replace(view, x=view.x.gather(1, order) * left, valid=left, where=where, pauses=pauses)
