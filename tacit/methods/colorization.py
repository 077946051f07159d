"""Colorization: tell the colours of a sample that has lost them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Draws, Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View

NEAREST, SIGMA = 5, 5.0
"""A colour is spread over this many points of the palette, with this standard deviation (section 2.1 there)."""


class Colorization(Method):
    """Learns what things are by telling their colours from their shapes.

    A choice among the points of a palette, since a mean of what may be red or green is brown. Rare colours weigh more:
    most of any image is dull.
    """

    paper = "Zhang, Isola and Efros 2016, Colorful Image Colorization, arXiv 1603.08511"
    formula = "loss = -mean_h v(z_h) sum_q z_hq log p_hq,  v = w_argmax(z),  w ~ 1 / ((1 - lambda) prior + lambda / Q)"
    presets = {
        "default": {"optimiser": {"lr": 2e-3}},
        "paper": {
            "encoder": {"name": "timm", "model": "resnet50"},
            "modality": {"size": 176, "weak": {"crop": [0.8, 1.0], "flip": 0.5}},
            "optimiser": {"name": "adamw", "lr": 3e-5, "weight_decay": 1e-3, "warmup": 0.0},
            "batch": 40,
            "budget": {"epochs": 14},
        },
    }

    palette: Tensor
    weight: Tensor
    prior: Tensor

    class Config(Named):
        name: Literal["colorization"] = "colorization"
        mix: float = Field(default=0.5, gt=0, le=1, description="lambda: 1 weighs all colours alike, .1 rare ones most")
        temperature: float = Field(default=0.38, gt=0, le=1, description="of the mean that is drawn: 1 is dull")
        stride: int = Field(default=4, ge=1, description="colours are told for blocks of this side")

    views = ("weak",)
    settles = True

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        assert modality.dense is not None
        self.config = config
        self.backbone = encoder
        self.corrupt = modality.corruptions["grey"]
        self.target = modality.targets["colour"]
        assert self.target.palette is not None
        self.register_buffer("palette", self.target.palette())
        coarse = F.interpolate(self.target.of(sample), scale_factor=1 / config.stride, mode="area")
        # part by part: a number for each point of the palette at every place is much
        parts = [soft(part.flatten(2).transpose(1, 2), self.palette).mean(dim=1) for part in torch.split(coarse, 64)]
        prior = torch.cat(parts).mean(dim=0)
        weight = 1 / ((1 - config.mix) * prior + config.mix / len(prior))
        self.register_buffer("weight", weight / (prior * weight).sum())
        self.register_buffer("prior", (prior * self.weight).clamp_min(1e-6).log())
        self.draw = modality.dense(encoder, sample, len(prior), config.stride)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, "corruptions:grey", "targets:colour", "dense"))

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        (view,) = views
        seen = self.corrupt(view, Draws.fresh(len(view), view.x.device))
        logits = self._tell(seen)
        truth = F.interpolate(self.target.of(view), logits.shape[2:], mode="area")
        z = soft(truth.flatten(2).transpose(1, 2), self.palette)  # [B, L, Q]
        v = self.weight[z.argmax(dim=2)]
        log_p = logits.flatten(2).transpose(1, 2).log_softmax(dim=2)
        loss = -(v * (z * log_p).sum(dim=2)).mean(dim=1)
        constant = (v[..., None] * z).mean((0, 1))  # the best that does not look
        nothing = -(constant * (constant / constant.sum()).clamp_min(1e-9).log()).sum()
        return Step(loss, nothing)

    def _tell(self, seen: View) -> Tensor:
        """Logits `[B, Q, *grid / stride]`; training starts where the best constant answer is."""
        logits: Tensor = self.draw(self.backbone(seen)) + self.prior.view(-1, 1, 1)
        return logits

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        truth = views[0][:count]
        seen = self.corrupt(truth, Draws.fresh(count, truth.x.device))
        logits = self._tell(seen)
        drawn, mean = (annealed(logits, self.palette, t) for t in (self.config.temperature, 1.0))
        return [
            Exhibit("what it sees", seen),
            Exhibit(f"what it draws (T = {self.config.temperature:g})", self.target.paint(seen, drawn)),
            Exhibit("its mean (T = 1)", self.target.paint(seen, mean)),
            Exhibit("the truth", truth),
        ]


def soft(truth: Tensor, palette: Tensor) -> Tensor:
    """Colours `[B, L, C]` spread over the nearest points of `palette [Q, C]`: `[B, L, Q]`, sums of 1."""
    distance, place = torch.cdist(truth, palette).topk(NEAREST, largest=False)
    share = (-(distance**2) / (2 * SIGMA**2)).softmax(dim=2)
    return torch.zeros(*truth.shape[:2], len(palette), device=truth.device).scatter_(2, place, share)


def annealed(logits: Tensor, palette: Tensor, temperature: float) -> Tensor:
    """Between the mode (T = 0) and the mean (T = 1) of each place's choice among `palette [Q, C]` (equation 5).

    `[B, Q, ...]` -> `[B, C, ...]`.
    """
    return torch.einsum("bq...,qc->bc...", (logits / temperature).softmax(dim=1), palette)
