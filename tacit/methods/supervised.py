"""Supervised training from scratch: no pretext task but the floor that all of them have to beat."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from tacit.core import Encoder, Method, Progress, Step, View


class Supervised(Method):
    """Cross-entropy on labels, which the samples' rows look up. Built by the evaluation alone."""

    paper = "the ordinary way"
    formula = "loss = -log p(label | x)"
    presets = {}
    views = ("weak",)
    labels: Tensor

    def __init__(self, encoder: Encoder, labels: Tensor, classes: int) -> None:
        """`labels`: long `[N]`, by row of the training set."""
        nn.Module.__init__(self)
        self.backbone = encoder
        self.head = nn.Linear(encoder.dim, classes)
        self.register_buffer("labels", labels)

    @classmethod
    def needs(cls, config: Any) -> frozenset[str]:
        return frozenset(cls.views)

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def logits(self, view: View) -> Tensor:
        """`[B, classes]` float32."""
        out: Tensor = self.head(self.backbone(view).pooled)
        return out.float()

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        (view,) = views
        label = self.labels[view.index]
        return Step(
            F.cross_entropy(self.logits(view), label, reduction="none"), nothing_learnt=math.log(self.head.out_features)
        )
