"""Regression: numbers from pooled features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from tacit.config import Named
from tacit.core import Encoder, Features, View
from tacit.heads.head import Answers, Head, Scores, Targets
from tacit.heads.pooled import LINEAR_RATE, LinearReader, TableTargets, joined


class Regress(Head):
    """A linear layer to K numbers, each learnt in units of its own spread, by squared error."""

    recipe = {"optimiser": {"lr": LINEAR_RATE}}
    floor = "training mean"
    mean: Tensor
    std: Tensor

    class Config(Named):
        name: Literal["regress"] = "regress"

    def __init__(self, config: Config, encoder: Encoder, sample: View, classes: Sequence[str]) -> None:
        super().__init__(config, encoder, sample, classes)
        self.reader = LinearReader(encoder, len(classes))
        self.register_buffer("mean", torch.zeros(len(classes)))
        self.register_buffer("std", torch.ones(len(classes)))

    @classmethod
    def needs(cls) -> frozenset[str]:
        return frozenset()

    def prepare(self, targets: Targets) -> None:
        """Means and spreads of the training numbers, in which the mean is an error of one."""
        assert isinstance(targets, TableTargets)
        values = targets.values.cpu().double()
        spread = values.std(0, correction=0)
        self.mean.copy_(values.mean(0))
        self.std.copy_(torch.where(spread > 0, spread, 1.0))
        self.nothing_learnt = float((spread > 0).double().mean())

    def forward(self, features: Features) -> Tensor:
        """`[B, K]`, in units of the spread."""
        out: Tensor = self.reader(features)
        return out

    def loss(self, outputs: Tensor, truth: Tensor) -> Tensor:
        """Squared error in units of the spread, the mean over columns, `[B]`."""
        return (outputs - (truth - self.mean) / self.std).square().mean(1)

    def answers(self, outputs: Tensor) -> Answers:
        """`values [B, K]`, in the units of the labels."""
        return {"values": (outputs * self.std + self.mean).cpu()}

    def blind(self, targets: Targets, count: int) -> Answers:
        """The mean of the training numbers."""
        assert isinstance(targets, TableTargets)
        return {"values": targets.values.cpu().double().mean(0).expand(count, -1)}

    def judge(self, answers: Sequence[Answers], targets: Targets) -> Scores:
        """R2, the mean over columns, and the mean absolute error of each column, for which smaller is better."""
        assert isinstance(targets, TableTargets)
        truth = targets.values.cpu().double()
        error = joined(answers, "values") - truth
        names = [f"MAE of {name}" for name in targets.classes] if truth.shape[1] > 1 else ["MAE"]

        def scores(weights: Tensor) -> Mapping[str, Tensor]:
            share = weights / weights.sum(1, keepdim=True)
            mean = share @ truth
            spread = share @ truth.square() - mean.square()
            r2 = 1 - share @ error.square() / torch.where(spread > 1e-12, spread, torch.nan)
            return {"R2": r2.nanmean(1), **dict(zip(names, (share @ error.abs()).T, strict=True))}

        return scores
