"""Barlow Twins: each feature agrees between views of a sample, and no two features say the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.losses.redundancy import correlation, off_identity
from tacit.methods.similar import kinds_of, recognised
from tacit.nn.heads import Embedder, mlp
from tacit.ranks import gathered


class BarlowTwins(Method):
    """Learns features that correlate with themselves in another view of the same samples, and with no other feature.

    Features are standardised over the batch, so that none can stand still; that all become the same one is prevented
    by the price of those that repeat each other. With `local` views a sample is seen once at full size and several
    times as a small crop, and each pair of views has its correlations.
    """

    paper = "Zbontar et al. 2021, Barlow Twins, arXiv 2103.03230"
    formula = (
        "loss = sum_i (1 - C_ii)^2 + w sum_{i != j} C_ij^2,  C = correlations of one view's features with the other's"
    )
    presets = {
        "default": {"optimiser": {"lr": 2e-3}},
        "paper": {
            "method": {"weight": 0.0051, "hidden": 8192, "out": 8192},
            "encoder": {"name": "timm", "model": "resnet50"},
            "modality": {
                "size": 224,
                "strong": {"crop": [0.08, 1.0], "jitter": 0.8, "strength": 0.4, "grey": 0.2, "blur": 0.5},
            },
            "optimiser": {"name": "lars", "lr": 1.6, "weight_decay": 1.5e-6, "warmup": 0.01},
            "batch": 2048,
            "budget": {"epochs": 1000},
        },
    }

    class Config(Named):
        name: Literal["barlow-twins"] = "barlow-twins"
        weight: float = Field(default=5e-3, ge=0, description="price of features that say the same; 0: all do")
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
        lacking, repeated = off_identity(correlation(gathered(self.embedder.each(views), dim=1)[0]))
        loss = (lacking + self.config.weight * repeated).expand(len(views[0]))
        metrics = {"disagreement": lacking.detach(), "redundancy": repeated.detach()}
        return Step(loss, float(self.config.out), metrics)

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.embedder.each(views), views, count)
