"""Rotation and its kin: tell which transformation was applied."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from tacit.config import Config
from tacit.core import Encoder, Method, Modality, Progress, Step, View, concatenate


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

    class Config(Config):
        name: Literal["rotation"] = "rotation"
        family: str = Field(default="rotation", description="which of the modality's families to predict")

    views = ("weak",)

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.family = tuple(modality.transformations[config.family])
        self.backbone = encoder
        self.head = nn.Linear(encoder.dim, len(self.family))

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, f"transformations:{config.family}"))

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        (view,) = views
        shown = concatenate([transform(view) for transform in self.family])
        label = torch.arange(len(self.family), device=shown.x.device).repeat_interleave(len(view))
        logits = self.head(self.backbone(shown).pooled).float()
        loss = F.cross_entropy(logits, label, reduction="none").view(len(self.family), -1).mean(dim=0)
        return Step(loss, math.log(len(self.family)), {"accuracy": (logits.argmax(1) == label).float().mean()})
