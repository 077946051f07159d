"""What the last steps of a search say of the curvature, for many problems at once (L-BFGS, Nocedal 1980)."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor


@final
class Memory:
    """The last M steps of S searches among P numbers, and how the gradient changed along each.

    Kept as matrices with all their inner products, so that a direction is four products with a vector and two small
    triangular systems, whatever M (Byrd, Nocedal and Schnabel 1994), and not a loop over pairs.
    """

    def __init__(self, most: int, like: Tensor) -> None:
        """Empty; holds `most` pairs, of the type and on the device of `like [S, ...]`."""
        S, P = len(like), like[0].numel()
        self._steps, self._changes = (like.new_zeros(S, most, P) for _ in range(2))
        self._inner = like.new_zeros(S, most, most, dtype=torch.float64)
        self._order: list[int] = []

    @property
    def shape(self) -> tuple[int, int]:
        """S and P."""
        return self._steps.shape[0], self._steps.shape[2]

    def add(self, step: Tensor, change: Tensor) -> None:
        """One more pair `[S, ...]`, in the place of the oldest where there is no room; zeros where none was made."""
        step, change = step.flatten(1), change.flatten(1)
        slot = self._order.pop(0) if len(self._order) == self._steps.shape[1] else len(self._order)
        self._order.append(slot)
        self._steps[:, slot], self._changes[:, slot] = step, change
        self._inner[:, slot] = (self._changes @ step[..., None])[..., 0].double()
        self._inner[:, :, slot] = (self._steps @ change[..., None])[..., 0].double()

    def bent(self, more: Tensor) -> Memory:
        """The same for an objective with `more [P]` of curvature along each number; this one stays as it is."""
        other = Memory(self._steps.shape[1], self._steps)
        other._order, other._steps = list(self._order), self._steps.clone()
        other._changes = self._changes + more * self._steps
        other._inner = (other._steps @ other._changes.mT).double()
        return other

    def direction(self, slope: Tensor, steer: Callable[[Tensor], Tensor]) -> Tensor:
        """The inverse Hessian's estimate times `slope [S, ...]`.

        `steer` is the estimate to begin with, but for its length, which is taken from the newest pair.
        """
        if not self._order:
            return steer(slope)
        order = torch.tensor(self._order, device=slope.device)
        steps, changes = self._steps, self._changes
        inner = self._inner[:, order[:, None], order]
        along = inner.diagonal(dim1=1, dim2=2)
        good = along > 0
        both = good[:, :, None] & good[:, None]
        # a problem that did not move has a pair of zeros, which says nothing
        upper = torch.where(both, inner.triu(), 0.0) + torch.diag_embed((~good).double())
        flat = slope.flatten(1)[..., None]
        first = torch.where(good, (steps @ flat)[:, order, 0].double(), 0.0)[..., None]
        alpha = torch.linalg.solve_triangular(upper, first, upper=True)
        rest = flat - changes.mT @ self._placed(alpha, order)
        steered = steer(rest.view_as(slope)) * self._length(steer, slope)
        back = torch.where(good, (changes @ steered.flatten(1)[..., None])[:, order, 0].double(), 0.0)[..., None]
        gamma = torch.linalg.solve_triangular(upper.mT, along[..., None] * alpha - back, upper=False)
        return steered + (steps.mT @ self._placed(gamma, order)).view_as(slope)

    def _placed(self, values: Tensor, order: Tensor) -> Tensor:
        """`values [S, m, 1]` of the pairs, oldest first, where these lie: `[S, M, 1]`."""
        placed = self._steps.new_zeros(len(values), self._steps.shape[1], 1)
        placed[:, order] = values.to(placed.dtype)
        return placed

    def _length(self, steer: Callable[[Tensor], Tensor], like: Tensor) -> Tensor:
        """How much longer than `steer` says the last step was; 1 where there was none."""
        newest = self._order[-1]
        change = self._changes[:, newest].view_as(like)
        over, under = self._inner[:, newest, newest], (change * steer(change)).flatten(1).sum(1).double()
        length = torch.where((over > 0) & (under > 0), over / under.clamp_min(1e-300), 1.0)
        return length.to(like.dtype).view(-1, *[1] * (like.dim() - 1))
