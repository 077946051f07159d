"""A teacher that follows its student."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Generic, Self, TypeVar

import torch
from torch import Tensor, nn

from tacit.core import View

Student = TypeVar("Student", bound=nn.Module)


class EMA(nn.Module, Generic[Student]):
    """An exponential moving average of a network, weights and statistics alike; it never gets a gradient.

    BatchNorm runs on the *averaged running statistics* (Cai et al. 2021, EMAN, arXiv 2101.08482): a sample's output
    depends on that sample alone, so no batch statistic can tell which key belongs to which query, on one device or
    on many, and no batch has to be shuffled.
    """

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.model: Student = copy.deepcopy(student)
        self.model.requires_grad_(False)
        self.model.eval()

    def train(self, mode: bool = True) -> Self:
        """The average stays in evaluation mode whatever its owner does."""
        super().train(mode)
        self.model.eval()
        return self

    @torch.no_grad()
    def forward(self, view: View) -> Tensor:
        """The average's output, detached."""
        out: Tensor = self.model(view)
        return out

    @torch.no_grad()
    def follow(self, student: Student, momentum: float) -> None:
        """average <- momentum average + (1 - momentum) student; counters are copied."""
        _follow(list(self.model.parameters()), list(student.parameters()), momentum)
        # apart from weights, which may lie in parts on several devices where buffers are whole
        _follow(list(self.model.buffers()), list(student.buffers()), momentum)


def _follow(own: Sequence[Tensor], others: Sequence[Tensor], momentum: float) -> None:
    pairs = list(zip(own, others, strict=True))
    floats = [pair for pair in pairs if pair[0].is_floating_point()]
    if floats:  # all in one call: a GPU starts a few kernels then, not one for each tensor
        mine, theirs = map(list, zip(*floats, strict=True))
        torch._foreach_lerp_(mine, theirs, 1 - momentum)
    for one, other in pairs:
        if not one.is_floating_point():
            one.copy_(other)
