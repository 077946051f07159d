"""TiCo: views of a sample agree, and embeddings keep away from directions that many have taken of late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.methods.similar import kinds_of, pairs_of, recognised
from tacit.nn.ema import EMA
from tacit.nn.heads import Embedder, mlp
from tacit.ranks import gathered
from tacit.schedule import cosine, young


class TiCo(Method):
    """Learns to see in one view what a slow copy of itself sees in the other, and to use all directions alike.

    How much each direction is used is remembered as a running mean of the products of features; an embedding pays for
    what it has in common with that. This is MoCo's queue as a matrix: squares of similarities to all earlier ones.
    With `local` views small crops learn from both full ones, and pay as these do; the matrix does not know them.
    """

    paper = "Zhu et al. 2022, TiCo: Transformation Invariance and Covariance Contrast, arXiv 2206.10698"
    formula = (
        "loss = 1 - cos(z, t') + w z^T C z,  z of length 1, t = teacher,  C <- b C + (1-b) mean z z^T; "
        "both orders of the views"
    )
    presets = {"default": {"optimiser": {"lr": 2e-3}}}

    class Config(Named):
        name: Literal["tico"] = "tico"
        weight: float = Field(default=8.0, ge=0, description="price of directions that others take; 0: collapses")
        memory: float = Field(default=0.9, ge=0, lt=1, description="share of itself that the matrix keeps a step")
        momentum: float = Field(
            default=0.99, ge=0, lt=1, description="share of itself that the teacher keeps a step at first; 1 at the end"
        )
        hidden: int = Field(default=512, ge=1, description="hidden width of the projector")
        out: int = Field(default=128, ge=1, description="width in which views are compared")
        local: int = Field(default=0, ge=0, description="small crops a sample beside two full views")
        positive: Literal["strong", "next"] = Field(
            default="strong", description="the second view: of the same sample, or of what comes next in its whole"
        )

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.views = kinds_of(config.local, config.positive, full=2)
        self.student = Embedder(encoder, mlp(encoder.dim, config.hidden, config.out))
        self.teacher = EMA(self.student)
        self.used: Tensor
        self.register_buffer("used", torch.zeros(config.out, config.out))

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(kinds_of(config.local, config.positive, full=2))

    @property
    def encoder(self) -> Encoder:
        return self.student.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        z = F.normalize(self.student.each(views, full=2), dim=2)  # [V, B, out]
        seen = [F.normalize(self.teacher(view), dim=1) for view in views[:2]]
        alike = [(z[view] * seen[full]).sum(dim=1) for view, full in pairs_of(len(views))]
        apart = 1 - torch.stack(alike).mean(dim=0)
        known = z[:2].detach()
        whole, _ = gathered(known, dim=1)
        crowded = (z @ self._with(whole.flatten(0, 1), progress) * z).sum(dim=2).mean(dim=0)
        # one direction for all costs the weight, as soon as the matrix knows it
        return Step(
            apart + self.config.weight * crowded,
            nothing_learnt=max(self.config.weight, 1.0),
            metrics={"disagreement": apart.detach().mean(), "crowding": crowded.detach().mean()},
            carry={"z": known.transpose(0, 1)},
        )

    def _with(self, z: Tensor, progress: Progress) -> Tensor:
        """The matrix after embeddings `z [N, out]`, of unit length; it begins empty, and is soon of what there is."""
        z = z.to(self.used)
        with torch.autocast(z.device.type, enabled=False):  # what lasts is kept in full
            return self.used.lerp(z.T @ z / len(z), 1 - young(progress, self.config.memory))

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        self.used.copy_(self._with(carry["z"].flatten(0, 1), progress))
        self.teacher.follow(self.student, young(progress, cosine(progress, self.config.momentum, 1.0)))

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.student.each(views), views, count)
