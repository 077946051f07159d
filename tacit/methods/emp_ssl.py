"""EMP-SSL: many small crops of a sample near their mean, and samples that fill the space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.losses.coding import coding_rate, distance_to_mean, least_rate, most_rate
from tacit.methods.similar import recognised
from tacit.nn.heads import Embedder, mlp
from tacit.ranks import gathered


class EMPSSL(Method):
    """Learns to say the same of all small crops of a sample, and of all samples as many things as there is room for.

    No crop repels another one, and none is copied by a teacher: that all samples become one point is prevented by the
    bits that they need together, in each view by itself. The paper sees a sample in 20 to 200 crops, and a set once.
    """

    paper = "Tong et al. 2023, EMP-SSL: Towards Self-Supervised Learning in One Training Epoch, arXiv 2304.03977"
    formula = (
        "loss = most - mean_v R(Z_v) + weight (1 - mean_v cos(z_v, mean_w z_w)),  R(Z) = log det(I + D / (B e^2) Z^T Z)"
        " / 2,  most = the R of samples that share the space evenly"
    )
    presets = {"default": {"optimiser": {"lr": 2e-3}}}

    class Config(Named):
        name: Literal["emp-ssl"] = "emp-ssl"
        crops: int = Field(default=8, ge=2, description="small crops of each sample")
        weight: float = Field(default=200.0, gt=0, description="of closeness to the mean of the crops")
        precision: float = Field(default=0.2, gt=0, description="e^2, the square of the error that coding allows")
        hidden: int = Field(default=512, ge=1, description="hidden width of the projector")
        out: int = Field(default=128, ge=2, description="width in which views are compared")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.views = ("local",) * config.crops
        self.embedder = Embedder(encoder, mlp(encoder.dim, config.hidden, config.out))

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(("local",))

    @property
    def encoder(self) -> Encoder:
        return self.embedder.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        z, own = gathered(self.embedder.each(views), dim=1)  # [V, B, out]
        _, batch, width = z.shape
        precision = self.config.precision
        apart, missing = distance_to_mean(z), most_rate(batch, width, precision) - coding_rate(z, precision).mean()
        metrics = {"apart": apart.detach().mean(), "missing": missing.detach()}
        nothing = most_rate(batch, width, precision) - least_rate(width, precision)  # all samples are one point
        return Step((missing + self.config.weight * apart)[own], nothing, metrics)

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.embedder.each(views), views, count)
