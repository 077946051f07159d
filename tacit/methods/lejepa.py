"""LeJEPA: views of a sample agree, and all samples together look like a normal distribution from everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from tacit.config import Named
from tacit.core import Draws, Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.losses.redundancy import off_centre, off_scale, off_shape, one_point_unlike_gauss, unlike_gauss
from tacit.methods.similar import kinds_of, recognised
from tacit.nn.heads import Embedder, mlp
from tacit.ranks import gathered


class LeJEPA(Method):
    """Learns embeddings of views that lie near their mean, and that are spread as a standard normal distribution is.

    The second half (SIGReg) looks along new random directions at each step, and is all that prevents one point for
    all: there is no teacher, no stop of gradients and no negative. One number weighs the two halves.
    """

    paper = "Balestriero and LeCun 2025, LeJEPA, arXiv 2511.08544"
    formula = (
        "loss = (1 - w) |z_v - mean_v z_v|^2 / D + w B mean_a int |phi_a(t) - exp(-t^2/2)|^2 exp(-t^2/2) dt,  "
        "phi_a = characteristic function of the batch along direction a"
    )
    presets = {
        "default": {"optimiser": {"lr": 2e-3}},
        "visreg": {"method": {"spread": "visreg", "weight": 0.6}, "optimiser": {"lr": 2e-3}},
        "paper": {
            "method": {"weight": 0.02, "hidden": 2048, "out": 16, "directions": 256, "local": 0},
            "encoder": {"name": "timm", "model": "vit_small_patch16_224"},
            "modality": {"size": 224},
            "optimiser": {"name": "adamw", "lr": 2e-3, "weight_decay": 5e-2},
            "batch": 256,
            "budget": {"epochs": 800},
        },
    }

    class Config(Named):
        name: Literal["lejepa"] = "lejepa"
        spread: Literal["sigreg", "visreg"] = Field(
            default="sigreg",
            description="likeness to a normal distribution: of characteristic functions; of centre, scale and ranks",
        )
        weight: float = Field(default=0.05, ge=0, le=1, description="of the spread against agreement; 0: collapses")
        hidden: int = Field(default=512, ge=1, description="hidden width of the projector")
        out: int = Field(default=64, ge=1, description="width in which views are compared")
        directions: int = Field(default=256, ge=1, description="random directions to look along, new ones each step")
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
        (z, own), weight = gathered(self.embedder.each(views), dim=1), self.config.weight  # [V, B, out]
        apart = (z - z.mean(dim=0)).square().mean(dim=(0, 2))
        directions = Draws.common(self.config.directions, z.device).normal((z.shape[2],))
        if self.config.spread == "sigreg":
            spread, one_point = unlike_gauss(z, directions), one_point_unlike_gauss(z.shape[1])
        else:  # one point lies off no centre, and is a whole deviation and all quantiles away
            spread, one_point = off_centre(z) + off_scale(z) + off_shape(z, directions), 2.0
        metrics = {"disagreement": apart.mean().detach(), "unlike a normal": spread.detach()}
        return Step((1 - weight) * apart[own] + weight * spread, weight * one_point, metrics)

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.embedder.each(views), views, count)
