"""Relative patch: tell on which side of a patch another one lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from pydantic import Field

from tacit.config import Named
from tacit.core import Draws, Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.nn.heads import Recogniser


class RelativePatch(Method):
    """Learns what parts things have and how they lie to each other, from pairs of patches.

    Gaps, jitter and the projection of colours keep edges and the errors of lenses from telling the place.
    """

    paper = "Doersch et al. 2015, Unsupervised Visual Representation Learning by Context Prediction, arXiv 1505.05192"
    formula = "loss = -log p(k | f(middle of x), f(neighbour k of the middle)),  k = 1 .. 8"
    presets = {
        "default": {"optimiser": {"lr": 2e-3}},
        "paper": {
            "method": {"hidden": 1024},
            "encoder": {"name": "timm", "model": "resnet50"},
            "modality": {"size": 288, "weak": {"crop": [0.8, 1.0], "flip": 0.0}},
            "optimiser": {"name": "sgd", "lr": 0.01, "weight_decay": 5e-4, "warmup": 0.0},
            "batch": 256,
            "budget": {"epochs": 100},
        },
    }

    class Config(Named):
        name: Literal["relative-patch"] = "relative-patch"
        family: str = Field(default="neighbours", description="which of the modality's families to predict")
        hidden: int = Field(default=128, ge=1, description="width of what is known of a patch when they are compared")

    views = ("weak",)

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.family = modality.transformations[config.family]
        self.recogniser = Recogniser(encoder, self.family.pieces, self.family.labels, config.hidden)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, f"transformations:{config.family}"))

    @property
    def encoder(self) -> Encoder:
        return self.recogniser.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        (view,) = views
        draws = Draws.fresh(len(view), view.x.device)
        label = draws.integers(self.family.labels)
        logits = self.recogniser(self.family.apply(view, label, draws))
        loss = F.cross_entropy(logits, label, reduction="none")
        return Step(loss, math.log(self.family.labels), {"accuracy": (logits.argmax(1) == label).float().mean()})

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        view, draws = views[0][:count], Draws.fresh(count, views[0].x.device)
        label = draws.integers(self.family.labels)
        pair = self.family.apply(view, label, draws)
        p, guess = self.recogniser(pair).softmax(dim=1).max(dim=1)
        names = self.family.names
        said = [f"{names[k]}\np = {share:.2f}" for k, share in zip(guess.tolist(), p.tolist(), strict=True)]
        return [
            Exhibit("the patch in the middle", pair[0::2]),
            Exhibit("its neighbour", pair[1::2]),
            Exhibit("placed as predicted", self.family.undo(pair, guess), said, (guess == label).tolist()),
            Exhibit("placed right", self.family.undo(pair, label), [names[k] for k in label.tolist()]),
            Exhibit("the sample", view),
        ]
