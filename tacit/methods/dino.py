"""DINO: agree with a slow copy of oneself on one of many choices that nobody has named."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.methods.similar import recognised, views_of
from tacit.nn.ema import EMA
from tacit.nn.heads import Embedder, mlp
from tacit.nn.prototypes import Prototypes
from tacit.schedule import cosine


class DINO(Method):
    """Learns to make of any view of a sample the choice that a teacher makes of its full views.

    The teacher is a slow copy that is surer of itself (a lower temperature), which alone would end in one choice for
    all; what it says of all samples on average is taken off (the centre), which alone would end in no choice at all.
    """

    paper = "Caron et al. 2021, Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294"
    formula = (
        "loss = mean_{v != w} -sum_k softmax_k( (t_w - centre) / T_t ) log softmax_k( s_v / T_s ),  "
        "teacher <- m teacher + (1-m) student,  centre <- c centre + (1-c) mean t"
    )
    presets = {
        "default": {"optimiser": {"lr": 2e-3}},
        "paper": {
            "method": {"choices": 65_536, "momentum": 0.996, "hidden": 2048, "out": 256, "local": 8},
            "encoder": {"name": "timm", "model": "vit_small_patch16_224"},
            "modality": {"size": 224},
            "optimiser": {"name": "adamw", "lr": 5e-4, "weight_decay": 0.04, "warmup": 0.1},
            "batch": 1024,
            "budget": {"epochs": 100},
        },
    }

    class Config(Named):
        name: Literal["dino"] = "dino"
        choices: int = Field(default=1024, ge=2, description="choices that samples are told apart by")
        temperature: float = Field(default=0.1, gt=0, description="of the student's choice")
        surer: float = Field(default=0.04, gt=0, description="temperature of the teacher's choice, lower")
        momentum: float = Field(
            default=0.99, ge=0, lt=1, description="share of itself that the teacher keeps a step at first; 1 at the end"
        )
        centre: float = Field(
            default=0.9,
            ge=0,
            le=1,
            description="what the centre keeps of itself a step; 1: none",
        )
        hidden: int = Field(default=512, ge=1, description="hidden width of the projector")
        out: int = Field(default=128, ge=1, description="width of what choices are directions in")
        local: int = Field(default=0, ge=0, description="small crops a sample beside two full views")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.views = views_of(config.local, full=2)
        head = mlp(encoder.dim, config.hidden, config.out)
        self.student = Embedder(encoder, nn.Sequential(*head, Prototypes(config.out, config.choices)))
        self.teacher = EMA(self.student)
        self.centre: Tensor
        self.register_buffer("centre", torch.zeros(config.choices))

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(views_of(config.local, full=2))

    @property
    def encoder(self) -> Encoder:
        return self.student.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        likely = (self.student.each(views) / self.config.temperature).log_softmax(dim=2)  # [V, B, choices]
        told = torch.stack([self.teacher(view) for view in views[:2]])
        sure = ((told - self.centre) / self.config.surer).softmax(dim=2)
        losses = [
            -(sure[full] * likely[other]).sum(dim=1) for full in (0, 1) for other in range(len(views)) if other != full
        ]
        spread = sure.mean(dim=(0, 1))
        entropy = -(spread * spread.clamp_min(1e-12).log()).sum()
        return Step(
            torch.stack(losses).mean(dim=0),
            math.log(self.config.choices),
            {"choices taken": entropy.exp()},
            {"told": told.mean(dim=0)},
        )

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        # young teachers keep less of themselves, so that the random start is soon forgotten
        momentum = cosine(progress, self.config.momentum, 1.0)
        self.teacher.follow(self.student, min(momentum, (progress.step + 1) / (progress.step + 10)))
        self.centre.lerp_(carry["told"].mean(dim=0).to(self.centre), 1 - self.config.centre)

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.student.each(views), views, count)
