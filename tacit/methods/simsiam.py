"""SimSiam: predict what one sees in other views of the same sample, and do not learn from having been predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.methods.similar import kinds_of, recognised
from tacit.nn.heads import Embedder, mlp, told_apart


class SimSiam(Method):
    """Learns to predict the embedding of a view from another one, where what is predicted gets no gradient.

    There are no negatives and there is no slow copy: that all samples get the same embedding is prevented by the
    predictor and by that stop alone. With more than two views the mean of all others is predicted, which is steadier
    (FastSiam, Pototzky et al. 2022, DAGM GCPR). With `local` views small crops predict the mean of all full ones.
    """

    paper = "Chen and He 2021, Exploring Simple Siamese Representation Learning, arXiv 2011.10566"
    formula = "loss = 1 - mean_v cos(q(z_v), stop(mean_{w != v} z_w / |z_w|))"
    presets = {
        "default": {"optimiser": {"lr": 2e-3}},
        "paper": {
            "method": {"seen": 2, "hidden": 2048, "out": 2048, "narrow": 512},
            "encoder": {"name": "timm", "model": "resnet50"},
            "modality": {
                "size": 224,
                "strong": {"crop": [0.2, 1.0], "jitter": 0.8, "strength": 0.4, "grey": 0.2, "blur": 0.5},
            },
            "optimiser": {"name": "sgd", "lr": 0.1, "weight_decay": 1e-4},
            "batch": 512,
            "budget": {"epochs": 100},
        },
        "fastsiam": {"method": {"seen": 4}, "optimiser": {"lr": 2e-3}},
    }

    class Config(Named):
        name: Literal["simsiam"] = "simsiam"
        seen: int = Field(default=2, ge=2, description="full views of a sample; the mean of all others is predicted")
        hidden: int = Field(default=512, ge=1, description="hidden width of the projector")
        out: int = Field(default=256, ge=2, description="width in which views are compared")
        narrow: int = Field(default=64, ge=1, description="hidden width of the predictor")
        local: int = Field(default=0, ge=0, description="small crops a sample that predict and are not predicted")
        positive: Literal["strong", "next"] = Field(
            default="strong", description="all views but the first: of the same sample, or of what comes next"
        )

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.full = config.seen
        self.views = kinds_of(config.local, config.positive, full=self.full)
        self.embedder = Embedder(encoder, told_apart(encoder.dim, config.hidden, config.out))
        self.predictor = mlp(config.out, config.narrow, config.out)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(kinds_of(config.local, config.positive, full=config.seen))

    @property
    def encoder(self) -> Encoder:
        return self.embedder.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        z = self.embedder.each(views)  # [V, B, out]
        guess = torch.stack([self.predictor(each) for each in z]).float()  # BatchNorm of each view, as in the paper
        return Step(1 - F.cosine_similarity(guess, _others(z, self.full), dim=2).mean(dim=0), nothing_learnt=1.0)

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.embedder.each(views), views, count)


def _others(z: Tensor, full: int) -> Tensor:
    """For each view the mean direction of all others among the first `full`, `[V, B, out]`; no gradient passes."""
    unit = F.normalize(z[:full].detach(), dim=2)
    whole = unit.sum(dim=0)
    return torch.cat([(whole - unit) / (full - 1), (whole / full).expand(len(z) - full, -1, -1)])
