"""Rotation and its kin: tell which transformation was applied."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from tacit.config import Named
from tacit.core import Draws, Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View, concatenate


class Rotation(Method):
    """Learns what makes a sample upright: each one is shown under every transformation of a labelled family.

    The family comes from the modality: quarter turns for images. Useless where the data have no upright, such as
    microscopy from above.
    """

    paper = "Gidaris et al. 2018, Unsupervised Representation Learning by Predicting Image Rotations, arXiv 1803.07728"
    formula = "loss = mean_k -log p(k | g_k(x)),  g_0 .. g_{K-1} the family's transformations"
    presets = {
        "default": {"optimiser": {"lr": 2e-3}},
        "paper": {
            "encoder": {"name": "resnet18"},
            "modality": {"weak": {"crop": [1.0, 1.0], "flip": 0.5}},
            "optimiser": {"name": "sgd", "lr": 0.1, "weight_decay": 5e-4, "warmup": 0.0},
            "batch": 128,
            "budget": {"epochs": 100},
        },
    }

    class Config(Named):
        name: Literal["rotation"] = "rotation"
        family: str = Field(default="rotation", description="which of the modality's families to predict")

    views = ("weak",)

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.family = modality.transformations[config.family]
        self.backbone = encoder
        self.head = nn.Linear(encoder.dim, self.family.labels)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, f"transformations:{config.family}"))

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        (view,) = views
        K, B = self.family.labels, len(view)
        label = torch.arange(K, device=view.x.device).repeat_interleave(B)
        shown = self.family.apply(concatenate([view] * K), label, Draws.fresh(K * B, view.x.device))
        logits = self.head(self.backbone(shown).pooled).float()
        loss = F.cross_entropy(logits, label, reduction="none").view(K, B).mean(dim=0)
        return Step(loss, math.log(K), {"accuracy": (logits.argmax(1) == label).float().mean()})

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        view, draws = views[0][:count], Draws.fresh(count, views[0].x.device)
        label = draws.integers(self.family.labels)
        shown = self.family.apply(view, label, draws)
        p, guess = self.head(self.backbone(shown).pooled).softmax(dim=1).max(dim=1)
        names = self.family.names or tuple(map(str, range(self.family.labels)))
        said = [f"{names[k]}\np = {share:.2f}" for k, share in zip(guess.tolist(), p.tolist(), strict=True)]
        return [
            Exhibit("what it sees", shown, [names[k] for k in label.tolist()]),
            Exhibit("undone as predicted", self.family.undo(shown, guess), said, (guess == label).tolist()),
            Exhibit("the truth", view),
        ]
