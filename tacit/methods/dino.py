"""DINO: agree with a slow copy of oneself on one of many choices that nobody has named."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.methods.similar import kinds_of, recognised
from tacit.nn.ema import EMA
from tacit.nn.heads import Embedder, told_apart
from tacit.nn.prototypes import Prototypes, given, near, swapped
from tacit.schedule import cosine, young


class DINO(Method):
    """Learns to make of any view of a sample the choice that a teacher, a slow copy, makes of its full views.

    Of what the teacher says, choices are shared out so that all are taken as often (Sinkhorn's rounds over the batch),
    which is what prevents one choice for all, and its embeddings lose what all samples of the batch have in common,
    which is what prevents all choices being alike. The paper takes a running mean off instead; see docs/log.md for what
    became of that on small data.
    """

    paper = (
        "Caron et al. 2021, Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294; shares in "
        "place of the centre: Oquab et al. 2023, DINOv2, arXiv 2304.07193"
    )
    formula = (
        "loss = mean_{v != w} -sum_k s(t_w)_k log softmax_k( cos(z_v, c_k) / T ),  s = shares by Sinkhorn's rounds,  "
        "t = teacher,  teacher <- m teacher + (1-m) student"
    )
    presets = {"default": {"optimiser": {"lr": 2e-3}}}

    class Config(Named):
        name: Literal["dino"] = "dino"
        choices: int = Field(default=256, ge=2, description="prototypes; more than there are classes")
        temperature: float = Field(default=0.1, gt=0, description="divides the student's cosines to the prototypes")
        sharing: float = Field(default=0.03, gt=0, description="temperature of sharing out the teacher's, lower")
        momentum: float = Field(
            default=0.99, ge=0, lt=1, description="share of itself that the teacher keeps a step at first; 1 at the end"
        )
        hidden: int = Field(default=512, ge=1, description="hidden width of the projector")
        out: int = Field(default=128, ge=1, description="width of what choices are directions in")
        local: int = Field(default=0, ge=0, description="small crops a sample beside two full views")
        koleo: float = Field(
            default=0.0, ge=0, description="price on features that lie near another sample's in the batch (DINOv2: .1)"
        )

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.views = kinds_of(config.local, full=2)
        self.student = Embedder(encoder, told_apart(encoder.dim, config.hidden, config.out))
        self.prototypes = Prototypes(config.out, config.choices)
        self.teacher, self.older = EMA(self.student), EMA(self.prototypes)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(kinds_of(config.local, full=2))

    @property
    def encoder(self) -> Encoder:
        return self.student.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        config, pooled = self.config, self.student.pooled(views, full=2)
        cosines = self.prototypes(self.student.embedded(pooled))
        likely = (cosines / config.temperature).log_softmax(dim=2)  # [V, B, choices]
        loss, metrics = swapped(self._shares(views[:2]), likely), {}
        if config.koleo:
            nearness = near(pooled[:2])
            loss, metrics = loss + config.koleo * nearness, {"koleo": nearness.detach().mean()}
        return Step(loss, math.log(config.choices), metrics)

    @torch.no_grad()
    def _shares(self, views: Sequence[View]) -> Tensor:
        """What the teacher gives each sample, in each of its full views, of each choice: `[2, B, choices]`."""
        told = torch.stack([self.teacher(view) for view in views])
        return given(told, self.older.model, self.config.sharing)

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        momentum = young(progress, cosine(progress, self.config.momentum, 1.0))
        self.teacher.follow(self.student, momentum)
        self.older.follow(self.prototypes, momentum)

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.student.each(views), views, count)
