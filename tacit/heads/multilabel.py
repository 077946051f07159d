"""Several labels a sample, or none: each one is there or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Encoder, Features, View
from tacit.heads.head import Answers, Head, Scores, Targets
from tacit.heads.pooled import LINEAR_RATE, LinearReader, TableTargets, joined

MOST = 100.0
"""The largest weight of a label's presence: one in ten thousand samples must not drown the others."""


class Multilabel(Head):
    """A probability for each label, trained by binary cross-entropy."""

    recipe = {"optimiser": {"lr": LINEAR_RATE}}
    floor = "label frequencies"
    mixes = True
    weight: Tensor

    class Config(Named):
        name: Literal["multilabel"] = "multilabel"
        class_weights: bool = Field(default=False, description="weigh presence by how much rarer it is than absence")

    def __init__(self, config: Config, encoder: Encoder, sample: View, classes: Sequence[str]) -> None:
        super().__init__(config, encoder, sample, classes)
        self.config = config
        self.reader = LinearReader(encoder, len(classes))
        self.register_buffer("weight", torch.ones(len(classes)))

    @classmethod
    def needs(cls) -> frozenset[str]:
        return frozenset()

    def prepare(self, targets: Targets) -> None:
        """Weights of presence, (N - n_k) / n_k but at most `MOST`, where they are asked for."""
        share = self._shares(targets)
        if self.config.class_weights:
            self.weight.copy_(((1 - share) / share.clamp_min(1e-9)).clamp_max(MOST))
        best = self.weight * share / (self.weight * share + 1 - share)  # the constant answer of the lowest loss
        each = self.weight * share * -best.clamp_min(1e-12).log() + (1 - share) * -(1 - best).clamp_min(1e-12).log()
        self.nothing_learnt = float(each.mean())

    def forward(self, features: Features) -> Tensor:
        """Logits `[B, K]`."""
        logits: Tensor = self.reader(features)
        return logits

    def loss(self, outputs: Tensor, truth: Tensor) -> Tensor:
        """Binary cross-entropy, the mean over labels, `[B]`."""
        return F.binary_cross_entropy_with_logits(outputs, truth, pos_weight=self.weight, reduction="none").mean(1)

    def answers(self, outputs: Tensor) -> Answers:
        """`probabilities [B, K]`."""
        return {"probabilities": outputs.sigmoid().cpu()}

    def blind(self, targets: Targets, count: int) -> Answers:
        """The frequency of each label."""
        return {"probabilities": self._shares(targets).expand(count, -1)}

    def judge(self, answers: Sequence[Answers], targets: Targets) -> Scores:
        """Average precision, the mean over the labels that occur, and F1 over all labels at probability one half."""
        assert isinstance(targets, TableTargets)
        truth = targets.values.cpu().double()
        said = joined(answers, "probabilities")
        yes = (said >= 0.5).double()
        hits, both = (yes * truth).sum(1), (yes + truth).sum(1)

        def scores(weights: Tensor) -> Mapping[str, Tensor]:
            each = [average_precision(said[:, k], truth[:, k], weights) for k in range(truth.shape[1])]
            return {
                "mean average precision": torch.stack(each).nanmean(0),
                "F1": 2 * (weights @ hits) / (weights @ both).clamp_min(1e-12),
            }

        return scores

    def _shares(self, targets: Targets) -> Tensor:
        assert isinstance(targets, TableTargets)
        return targets.values.cpu().float().mean(0)


def average_precision(scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """Area under precision over recall as a step function, `[R]`; NaN where nothing is to be found.

    `scores`, `truth [N]` of zeros and ones, `weights [R, N]`. Samples of equal score are taken together, as in
    scikit-learn: their order would be chance.
    """
    order = scores.argsort(descending=True, stable=True)
    ends = torch.cat([(scores[order].diff() != 0).nonzero().flatten(), torch.tensor([len(scores) - 1])])
    right = (weights * truth)[:, order].cumsum(1)[:, ends]
    seen = weights[:, order].cumsum(1)[:, ends]
    recall = right / right[:, -1:]
    gained = recall.diff(dim=1, prepend=recall.new_zeros(len(recall), 1))
    return (gained * right / seen.clamp_min(1e-12)).sum(1)
