"""MMCR: the centroids of samples' views fill the space, which makes views agree at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.losses.redundancy import narrowness
from tacit.methods.similar import kinds_of, recognised
from tacit.nn.heads import Embedder, mlp
from tacit.ranks import gathered


class MMCR(Method):
    """Learns directions whose means over the views of a sample point evenly to all sides.

    One number does both: a centroid is the longer the better the views of its sample agree, and the singular values
    of all centroids add up to the more the more sides these point to. With `local` views a sample is seen once at
    full size and several times as a small crop; the paper gains by many views.
    """

    paper = "Yerxa et al. 2023, Learning Efficient Coding of Natural Images with MMCR, arXiv 2303.03307"
    formula = (
        "loss = -sum_k sigma_k(C),  C_i = mean_v z_iv / |z_iv|,  scaled so that 1 is one point for all and 0 the best"
    )
    presets = {"default": {"optimiser": {"lr": 2e-3}}}

    class Config(Named):
        name: Literal["mmcr"] = "mmcr"
        hidden: int = Field(default=512, ge=1, description="hidden width of the projector")
        out: int = Field(default=128, ge=2, description="width in which views are compared")
        local: int = Field(default=0, ge=0, description="small crops a sample beside one full view; 0: two full views")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.views = kinds_of(config.local)
        self.embedder = Embedder(encoder, mlp(encoder.dim, config.hidden, config.out))

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(kinds_of(config.local))

    @property
    def encoder(self) -> Encoder:
        return self.embedder.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        z, _ = gathered(self.embedder.each(views), dim=1)  # [V, B, out]
        return Step(narrowness(z).expand(len(views[0])), nothing_learnt=1.0)

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.embedder.each(views), views, count)
