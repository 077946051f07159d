"""What optimisers have in common that move one weight after the other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class OneByOne(Optimizer):
    """Moves each weight by its own slope, in the order of the groups."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step; returns what `closure`, if given, computes."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group)
        return loss

    @abstractmethod
    def _move(self, weight: Tensor, slope: Tensor, group: dict[str, Any]) -> None:
        """Change `weight` in place, by the settings of its `group`."""

    def _kept(self, weight: Tensor, name: str) -> Tensor:
        """What is kept of a weight from step to step, zeros at first."""
        state = self.state[weight]
        if name not in state:
            state[name] = torch.zeros_like(weight)
        kept: Tensor = state[name]
        return kept
