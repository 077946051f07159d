"""Jigsaw: tell in which order the tiles of a sample lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field

from tacit.config import Named
from tacit.core import Draws, Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.nn.heads import Recogniser


class Jigsaw(Method):
    """Learns what parts things have and how they lie to each other, from tiles that it sees one by one.

    The orders differ in as many places as can be, so that no few tiles give them away. Gaps of random width and a
    normalisation of every tile keep edges and colours from solving the puzzle without a look at what is shown.
    """

    paper = "Noroozi and Favaro 2016, Unsupervised Learning by Solving Jigsaw Puzzles, arXiv 1603.09246"
    formula = "loss = -log p(k | f(t_{s_k(1)}), ..., f(t_{s_k(n)})),  t_i the tiles of x, s_k one of the orders"
    presets = {
        "default": {"optimiser": {"lr": 2e-3}},
        "paper": {
            "method": {"hidden": 1024},
            "encoder": {"name": "timm", "model": "resnet50"},
            "modality": {"size": 225, "weak": {"crop": [0.8, 1.0], "flip": 0.5, "grey": 0.3}},
            "optimiser": {"name": "sgd", "lr": 0.01, "weight_decay": 5e-4, "warmup": 0.0},
            "batch": 256,
            "budget": {"epochs": 70},
        },
    }

    class Config(Named):
        name: Literal["jigsaw"] = "jigsaw"
        family: str = Field(default="jigsaw", description="which of the modality's families to predict")
        hidden: int = Field(default=128, ge=1, description="width of what is known of a tile when they are compared")

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
        tiles = self.family.apply(view, label, draws)
        p, guess = self.recogniser(tiles).softmax(dim=1).max(dim=1)
        said = [f"p = {share:.2f}" for share in p.tolist()]
        undo = self.family.undo
        return [
            Exhibit("what it sees, each tile on its own", undo(tiles, torch.zeros_like(label))),
            Exhibit("put back as predicted", undo(tiles, guess), said, (guess == label).tolist()),
            Exhibit("put back right", undo(tiles, label)),
            Exhibit("the sample", view),
        ]
