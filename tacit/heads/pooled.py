"""What the heads on one vector a sample share: a linear layer, and a truth that is a row of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tacit.core import Encoder, Features, View
from tacit.heads.head import Answers, Targets

LINEAR_RATE = 1e-2
"""The learning rate of a linear layer on features of unit variance. On photographs of flowers (32 px, 400 steps) a
fifth of it did not arrive (.697 instead of .730 on the test part), and three times as much gained .008."""


class TableTargets(Targets):
    """One row of numbers a sample."""

    def __init__(self, values: Tensor, classes: Sequence[str]) -> None:
        """`values`: long `[N]`, the classes' numbers, or float `[N, K]`, a column each of `classes`."""
        self.values, self.classes = values, tuple(classes)

    def __len__(self) -> int:
        return len(self.values)

    def of(self, view: View) -> Tensor:
        """Long `[B]` or float `[B, K]`."""
        assert view.index is not None
        return self.values[view.index]

    def select(self, rows: Tensor) -> TableTargets:
        """The rows of the samples `rows`."""
        return TableTargets(self.values[rows], self.classes)

    def to(self, device: torch.device | str) -> TableTargets:
        """The same table on another device."""
        return TableTargets(self.values.to(device), self.classes)

    def content(self) -> Iterator[Any]:
        """The numbers, and what they stand for."""
        yield from (self.values, self.classes)

    def groups(self) -> Tensor | None:
        """The class, where a sample has one."""
        return self.values if self.values.dim() == 1 else None


class LinearReader(nn.Module):
    """From pooled features `[B, D]` to `[B, out]`: each dimension to unit variance, then a linear layer.

    Widths of features differ a thousandfold between encoders; with the normalisation (He et al. 2022, arXiv 2111.06377,
    appendix A) one learning rate fits all. In float32 whatever the encoder runs in: answers are numbers to be read.
    """

    def __init__(self, encoder: Encoder, out: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(encoder.dim, affine=False)
        self.layer = nn.Linear(encoder.dim, out)

    def forward(self, features: Features) -> Tensor:
        """`[B, out]`, float32."""
        pooled = features.pooled
        with torch.autocast(pooled.device.type, enabled=False):
            out: Tensor = self.layer(self.norm(pooled.float()))
            return out


def joined(answers: Sequence[Answers], name: str) -> Tensor:
    """The answers called `name` to all samples, `[N, ...]` float64."""
    return torch.cat([torch.as_tensor(batch[name]) for batch in answers]).double()
