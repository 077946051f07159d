"""MoCo v3: find a query's momentum key in the other view among those of the batch, both ways, without a queue."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.losses.contrastive import info_nce
from tacit.methods.similar import kinds_of, pairs_of, recognised
from tacit.nn.ema import EMA
from tacit.nn.heads import Embedder, mlp
from tacit.ranks import gathered
from tacit.schedule import cosine, young


class MoCoV3(Method):
    """Learns to predict, from one view, which of the batch's keys a slow copy of itself made of the other view.

    The network is BYOL's, with a predictor and a teacher whose momentum rises to 1; the loss has negatives, which
    are the keys of this batch. The teacher normalises by running statistics (see `EMA`). With `local` views small crops
    look for the keys of both full views, and have none themselves.
    """

    contrasts = True
    paper = "Chen et al. 2021, An Empirical Study of Training Self-Supervised Vision Transformers, arXiv 2104.02057"
    formula = (
        "loss = mean over both orders of -log( exp(q1 k2 / T) / sum_batch exp(q1 k' / T) ),  q = predictor(student), "
        "k = teacher; the paper's factor 2 T is left out"
    )
    presets = {
        "default": {"optimiser": {"lr": 2e-3}},
        "paper": {
            "method": {"temperature": 0.2, "momentum": 0.99, "hidden": 4096, "out": 256},
            "encoder": {"name": "timm", "model": "vit_small_patch16_224"},
            "modality": {
                "size": 224,
                "strong": {"crop": [0.08, 1.0], "jitter": 0.8, "strength": 0.4, "grey": 0.2, "blur": 0.5},
            },
            "optimiser": {"name": "adamw", "lr": 2.4e-3, "weight_decay": 0.1, "warmup": 0.133},
            "batch": 4096,
            "budget": {"epochs": 300},
        },
    }

    class Config(Named):
        name: Literal["moco-v3"] = "moco-v3"
        temperature: float = Field(default=0.2, gt=0, description="divides the similarities; small looks at near ones")
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
        z = self.student.each(views, full=2)
        query = self.predictor(z.flatten(0, 1)).float().view_as(z)
        keys, mine = gathered(torch.stack([self.teacher(view) for view in views[:2]]), dim=1)
        place = torch.arange(keys.shape[1], device=z.device)
        losses = [
            info_nce(query[view], keys[full, mine], keys[full], self.config.temperature, place[mine], place)
            for view, full in pairs_of(len(views))
        ]
        return Step(torch.stack(losses).mean(dim=0), nothing_learnt=math.log(len(place)))

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        self.teacher.follow(self.student, young(progress, cosine(progress, self.config.momentum, 1.0)))

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.student.each(views), views, count)
