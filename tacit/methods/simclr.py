"""SimCLR: two views of the same sample attract, all else in the batch repels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator
from torch import nn

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.losses.contrastive import nt_xent
from tacit.methods.similar import kinds_of, recognised
from tacit.nn.heads import Embedder, mlp
from tacit.ranks import gathered


class SimCLR(Method):
    """Learns to recognise a sample among others by what its views share.

    With `local` views each sample is seen once at full size and several times as a small crop that costs a quarter
    (the multi-crop of SwAV, arXiv 2006.09882): on a CPU the better bargain.
    """

    contrasts = True
    paper = "Chen et al. 2020, A Simple Framework for Contrastive Learning, arXiv 2002.05709"
    formula = "loss_i = -log( exp(s(i, i') / T) / sum_{k != i} exp(s(i, k) / T) ),  s = cosine, i' = other view of i"
    presets = {
        "default": {"method": {"local": 4, "temperature": 0.2}, "optimiser": {"lr": 3e-3}},
        "paper": {
            "method": {"local": 0, "temperature": 0.5, "hidden": 2048, "out": 128},
            "encoder": {"name": "resnet18"},
            "modality": {
                "strong": {"crop": [0.08, 1.0], "jitter": 0.8, "strength": 0.5, "grey": 0.2, "blur": 0.5},
            },
            "optimiser": {"name": "lars", "lr": 1.0, "weight_decay": 1e-6, "warmup": 0.01},
            "batch": 512,
            "budget": {"epochs": 1000},
        },
        "dcl": {  # Yeh et al. 2022, arXiv 2110.06848
            "method": {"decoupled": True, "temperature": 0.1, "local": 0},
        },
        "dclw": {"method": {"decoupled": True, "hardness": 0.5, "temperature": 0.1, "local": 0}},
        "strokes": {  # handwriting and other small drawings: no mirror images, no colours
            "method": {"local": 0, "temperature": 0.2},
            "modality": {
                "strong": {
                    "crop": [0.55, 1.45],
                    "flip": 0.0,
                    "rotate": 20,
                    "shear": 15,
                    "jitter": 1.0,
                    "strength": 0.4,
                    "grey": 0.0,
                    "noise": 0.05,
                    "outside": "zeros",
                },
                "weak": {"crop": [0.8, 1.2], "flip": 0.0, "outside": "zeros"},
            },
            "optimiser": {"lr": 2e-3},
            "budget": {"epochs": 60},
        },
        "tutorial": {
            "method": {"local": 0, "temperature": 0.5, "hidden": 512, "out": 128},
            "encoder": {"name": "resnet18"},
            "modality": {
                "strong": {"crop": [0.08, 1.0], "rotate": 10, "jitter": 1.0, "strength": 0.2, "grey": 0.0},
            },
            "optimiser": {"name": "adamw", "lr": 1e-3, "weight_decay": 1e-4},
            "batch": 256,
            "budget": {"epochs": 100},
        },
    }

    class Config(Named):
        name: Literal["simclr"] = "simclr"
        temperature: float = Field(default=0.5, gt=0, description="divides the similarities; small looks at near ones")
        hidden: int = Field(default=512, ge=0, description="hidden width of the projector; 0: none")
        out: int = Field(default=128, ge=1, description="width in which views are compared")
        decoupled: bool = Field(default=False, description="samples are not told apart from their own views: DCL")
        hardness: float | None = Field(
            default=None, gt=0, description="decoupled: unlike views pull more, the smaller the sharper (DCLW: 0.5)"
        )
        local: int = Field(default=0, ge=0, description="small crops a sample beside one full view; 0: two full views")
        positive: Literal["strong", "next"] = Field(
            default="strong", description="the second full view: of the same sample, or of what comes next in its whole"
        )

        @model_validator(mode="after")
        def _fit_together(self) -> Self:
            if self.local and self.positive == "next":
                raise ValueError("positive next is the second of two full views: set method.local to 0")
            if self.hardness is not None and not self.decoupled:
                raise ValueError("hardness weighs the pulls of the decoupled loss: set method.decoupled to true")
            return self

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.views = kinds_of(config.local, config.positive)
        head = mlp(encoder.dim, config.hidden, config.out) if config.hidden else nn.Identity()
        self.embedder = Embedder(encoder, head)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(kinds_of(config.local, config.positive))

    @property
    def encoder(self) -> Encoder:
        return self.embedder.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        z, own = gathered(self.embedder.each(views), dim=1)  # [V, B, out]
        config, others = self.config, z.shape[0] * (z.shape[1] - 1) if self.config.decoupled else z[..., 0].numel() - 1
        loss = nt_xent(z, config.temperature, decoupled=config.decoupled, hardness=config.hardness)
        return Step(loss[own], nothing_learnt=math.log(max(others, 1)))

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.embedder.each(views), views, count)
