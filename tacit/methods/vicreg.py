"""VICReg: views of a sample agree, features vary and do not repeat each other; nothing repels, nothing is copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.losses.redundancy import disagreement, redundancy, stillness
from tacit.methods.similar import kinds_of, recognised
from tacit.nn.heads import Embedder, mlp
from tacit.ranks import gathered


class VICReg(Method):
    """Learns features that agree between views, each of which varies over the batch, and no two of which say the same.

    That all samples get the same embedding is prevented by a price on features that stand still, openly and in each
    view by itself. With `local` views a sample is seen once at full size and several times as a small crop.
    """

    paper = "Bardes et al. 2022, VICReg, arXiv 2105.04906"
    formula = (
        "loss = a |z - z'|^2 / D + b mean_j max(0, 1 - std(z_j)) + c sum_{i != j} Cov(z)_ij^2 / D,  "
        "a, b, c = agree, vary, differ"
    )
    presets = {
        "default": {"optimiser": {"lr": 2e-3}},
        "paper": {
            "method": {"hidden": 8192, "out": 8192},
            "encoder": {"name": "timm", "model": "resnet50"},
            "modality": {
                "size": 224,
                "strong": {"crop": [0.08, 1.0], "jitter": 0.8, "strength": 0.4, "grey": 0.2, "blur": 0.5},
            },
            "optimiser": {"name": "lars", "lr": 1.6, "weight_decay": 1e-6, "warmup": 0.01},
            "batch": 2048,
            "budget": {"epochs": 1000},
        },
    }

    class Config(Named):
        name: Literal["vicreg"] = "vicreg"
        agree: float = Field(default=25.0, gt=0, description="price of a difference between views of a sample")
        vary: float = Field(default=25.0, ge=0, description="price of a feature that is alike for all; 0: collapses")
        differ: float = Field(default=1.0, ge=0, description="price of features that say the same")
        hidden: int = Field(default=512, ge=1, description="hidden width of the projector")
        out: int = Field(default=256, ge=2, description="width in which views are compared")
        local: int = Field(default=0, ge=0, description="small crops a sample beside one full view; 0: two full views")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.views = kinds_of(config.local)
        self.embedder = Embedder(encoder, mlp(encoder.dim, config.hidden, config.out))

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(kinds_of(config.local))

    @property
    def encoder(self) -> Encoder:
        return self.embedder.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        z, own = gathered(self.embedder.each(views), dim=1)  # [V, B, out]
        config, apart, still, same = self.config, disagreement(z), stillness(z), redundancy(z)
        loss = config.agree * apart + config.vary * still + config.differ * same
        metrics = {"disagreement": apart.mean(), "stillness": still, "redundancy": same}
        return Step(loss[own], config.vary, {name: value.detach() for name, value in metrics.items()})

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.embedder.each(views), views, count)
