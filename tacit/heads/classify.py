"""Classification: a linear layer on pooled features, and one class a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Encoder, Features, View
from tacit.heads.head import Answers, Head, Scores, Targets
from tacit.heads.pooled import LINEAR_RATE, LinearReader, TableTargets, joined


class Classify(Head):
    """Softmax over the classes, trained by cross-entropy."""

    recipe = {"optimiser": {"lr": LINEAR_RATE}}
    floor = "majority class"
    mixes = True
    weight: Tensor

    class Config(Named):
        name: Literal["classify"] = "classify"
        class_weights: bool = Field(default=False, description="weigh samples by the inverse frequency of their class")
        smoothing: float = Field(default=0.0, ge=0, lt=1, description="share of the truth given to all classes alike")

    def __init__(self, config: Config, encoder: Encoder, sample: View, classes: Sequence[str]) -> None:
        super().__init__(config, encoder, sample, classes)
        self.config = config
        self.reader = LinearReader(encoder, len(classes))
        self.register_buffer("weight", torch.ones(len(classes)))

    @classmethod
    def needs(cls) -> frozenset[str]:
        return frozenset()

    def prepare(self, targets: Targets) -> None:
        """Class weights N / (K n_c), whose mean over the samples is one, where they are asked for."""
        counts = self._counts(targets)
        if self.config.class_weights:
            present = (counts > 0).sum()
            self.weight.copy_(torch.where(counts > 0, counts.sum() / (present * counts.clamp_min(1)), 0.0))
        prior = counts / counts.sum()
        best = (prior * self.weight + 1e-12).log()  # the constant answer of the lowest loss, but for the smoothing
        each = self.loss(best.expand(len(counts), -1), torch.arange(len(counts)))
        self.nothing_learnt = float((prior * each).sum())

    def forward(self, features: Features) -> Tensor:
        """Logits `[B, K]`."""
        logits: Tensor = self.reader(features)
        return logits

    def loss(self, outputs: Tensor, truth: Tensor) -> Tensor:
        """Cross-entropy `[B]`."""
        smoothing = self.config.smoothing
        return F.cross_entropy(outputs, truth, self.weight, reduction="none", label_smoothing=smoothing)

    def answers(self, outputs: Tensor) -> Answers:
        """`probabilities [B, K]`."""
        return {"probabilities": outputs.softmax(1).cpu()}

    def blind(self, targets: Targets, count: int) -> Answers:
        """The frequencies of the classes: the most frequent one is predicted."""
        counts = self._counts(targets)
        return {"probabilities": (counts / counts.sum()).expand(count, -1)}

    def judge(self, answers: Sequence[Answers], targets: Targets) -> Scores:
        """Accuracy, and the mean over classes of each one's accuracy, which is the first where classes are weighted."""
        assert isinstance(targets, TableTargets)
        truth = targets.values.cpu()
        predicted = joined(answers, "probabilities").argmax(1)
        member = F.one_hot(truth, len(targets.classes)).double()
        right = (predicted == truth).double()[:, None]

        def scores(weights: Tensor) -> Mapping[str, Tensor]:
            accuracy = (weights @ right)[:, 0] / weights.sum(1)
            by_class = (weights @ (member * right)) / (weights @ member)  # 0 / 0 where a class is absent
            found = {"accuracy": accuracy, "balanced accuracy": by_class.nanmean(1)}
            return dict(reversed(found.items())) if self.config.class_weights else found

        return scores

    def _counts(self, targets: Targets) -> Tensor:
        assert isinstance(targets, TableTargets)
        return torch.bincount(targets.values.cpu(), minlength=len(self.weight)).float()


def decided(answers: Answers) -> Any:
    """Long `[B]`, the class that each of the `answers` of `Classify` gives most probability."""
    return answers["probabilities"].argmax(1)
