"""BYOL: predict what a slow copy of oneself makes of another view of the same sample; nothing repels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.methods.similar import kinds_of, negatives, pairs_of, positive
from tacit.nn.ema import EMA
from tacit.nn.heads import Embedder, mlp
from tacit.nn.standardise import over_batch
from tacit.schedule import cosine, young


class BYOL(Method):
    """Learns to predict a teacher's embedding of one view from another view, without negatives.

    That all samples get the same embedding is prevented by the predictor and by the teacher's slowness; the teacher
    normalises by running statistics (see `EMA`), and its momentum rises to 1 over the run. What it makes of all samples
    of the batch alike is taken off, which the paper does not: it is learnt first, and in short runs little else. With
    `local` views small crops predict as well, what the teacher makes of each of both full views.
    """

    paper = "Grill et al. 2020, Bootstrap Your Own Latent, arXiv 2006.07733"
    formula = (
        "loss = 1 - cos(q(z1), t2) + 1 - cos(q(z2), t1),  t = teacher, standardised over the batch,  "
        "teacher <- m teacher + (1-m) student"
    )
    presets = {
        "default": {"optimiser": {"lr": 2e-3}},
        "paper": {
            "method": {"momentum": 0.996, "hidden": 4096, "out": 256},
            "encoder": {"name": "timm", "model": "resnet50"},
            "modality": {
                "size": 224,
                "strong": {"crop": [0.08, 1.0], "jitter": 0.8, "strength": 0.4, "grey": 0.2, "blur": 0.5},
            },
            "optimiser": {"name": "lars", "lr": 3.2, "weight_decay": 1.5e-6, "warmup": 0.01},
            "batch": 4096,
            "budget": {"epochs": 1000},
        },
    }

    class Config(Named):
        name: Literal["byol"] = "byol"
        momentum: float = Field(
            default=0.99, ge=0, lt=1, description="share of itself that the teacher keeps a step at first; 1 at the end"
        )
        hidden: int = Field(default=512, ge=1, description="hidden width of projector and predictor")
        out: int = Field(default=128, ge=1, description="width in which views are compared")
        local: int = Field(default=0, ge=0, description="small crops a sample beside two full views")
        positive: Literal["strong", "next"] = Field(
            default="strong", description="the second view: of the same sample, or of what comes next in its whole"
        )

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.views = kinds_of(config.local, config.positive, full=2)
        self.student = Embedder(encoder, mlp(encoder.dim, config.hidden, config.out))
        self.teacher = EMA(self.student)
        self.predictor = mlp(config.out, config.hidden, config.out)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(kinds_of(config.local, config.positive, full=2))

    @property
    def encoder(self) -> Encoder:
        return self.student.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        guess, truth = self._guessed(views)
        losses = [1 - F.cosine_similarity(guess[view], truth[full]) for view, full in pairs_of(len(views))]
        # two directions that have nothing in common, twice
        return Step(2 * torch.stack(losses).mean(dim=0), nothing_learnt=2.0)

    def _guessed(self, views: Sequence[View]) -> tuple[Tensor, Tensor]:
        """What the student says from each view about what the teacher sees, `[V, B, out]`, and what that sees in the
        full ones, `[2, B, out]`."""
        z = self.student.each(views, full=2)
        guess = self.predictor(z.flatten(0, 1)).float().view_as(z)
        return guess, over_batch(torch.stack([self.teacher(view) for view in views[:2]]))

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        self.teacher.follow(self.student, young(progress, cosine(progress, self.config.momentum, 1.0)))

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        guess, truth = (F.normalize(each, dim=2) for each in self._guessed(views))
        similarity = guess[0, :count] @ truth[1].T
        own = torch.eye(count, similarity.shape[1], dtype=torch.bool, device=similarity.device)
        other = similarity.masked_fill(own, -1)
        return [
            Exhibit("a view", views[0][:count]),
            positive("what the teacher saw", views[1][:count], similarity[own], other.amax(dim=1)),
            *negatives("as likely", other, lambda which: views[1][which]),
        ]
