"""SwAV: say from one view of a sample which cluster another view of it falls into."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.methods.similar import kinds_of, recognised
from tacit.nn.heads import Embedder, told_apart
from tacit.nn.prototypes import Prototypes, shared_out, swapped
from tacit.ranks import gathered


class SwAV(Method):
    """Learns to tell from any view of a sample the cluster that each full view of it is given.

    Clusters are given batch by batch so that each gets as many samples (Sinkhorn's rounds), which is what prevents one
    cluster for all. The last batches are shared out along with the present one, so that small batches know all
    clusters. With `local` views, which are asked and never given a cluster, a sample is seen as small crops too.
    """

    paper = "Caron et al. 2020, Unsupervised Learning by Contrasting Cluster Assignments, arXiv 2006.09882"
    formula = (
        "loss = mean_{v != w} -sum_k s(z_w)_k log softmax_k( cos(z_v, c_k) / T ),  s = shares by Sinkhorn's rounds"
    )
    presets = {
        "default": {"optimiser": {"lr": 2e-3}},
        "paper": {
            "method": {"clusters": 3000, "queue": 3840, "hidden": 2048, "local": 6},
            "encoder": {"name": "timm", "model": "resnet50"},
            "modality": {"size": 224},
            "optimiser": {"name": "lars", "lr": 0.6, "weight_decay": 1e-6, "warmup": 0.0},
            "batch": 256,
            "budget": {"epochs": 400},
        },
    }

    class Config(Named):
        name: Literal["swav"] = "swav"
        clusters: int = Field(default=256, ge=2, description="prototypes; more than there are classes")
        temperature: float = Field(default=0.1, gt=0, description="divides the cosines to the prototypes")
        sharing: float = Field(default=0.05, gt=0, description="temperature of sharing out, lower")
        queue: int = Field(default=1024, ge=0, description="earlier samples that are shared out along with the batch")
        hidden: int = Field(default=512, ge=1, description="hidden width of the projector")
        out: int = Field(default=128, ge=1, description="width in which views are compared")
        local: int = Field(default=0, ge=0, description="small crops a sample beside two full views")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.views = kinds_of(config.local, full=2)
        self.embedder = Embedder(encoder, told_apart(encoder.dim, config.hidden, config.out))
        self.prototypes = Prototypes(config.out, config.clusters)
        self.earlier: Tensor
        self.register_buffer("earlier", torch.zeros(2, config.queue, config.out))
        self.filled: Tensor
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(kinds_of(config.local, full=2))

    @property
    def encoder(self) -> Encoder:
        return self.embedder.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        z = self.embedder.each(views)  # [V, B, out]
        likely = (self.prototypes(z) / self.config.temperature).log_softmax(dim=2)
        shares = torch.stack([self._shares(z[full].detach(), full) for full in (0, 1)])
        carry = {f"z{full}": z[full].detach() for full in (0, 1)}
        return Step(swapped(shares, likely), math.log(self.config.clusters), carry=carry)

    @torch.no_grad()
    def _shares(self, z: Tensor, full: int) -> Tensor:
        """What each sample of a full view is given of each cluster, `[B, K]`."""
        held = self.earlier[full, : int(self.filled)]
        whole, own = gathered(z)
        scores = self.prototypes(torch.cat([whole, held.to(z)]))
        return shared_out(scores, self.config.sharing)[own]

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        size = self.config.queue
        for full in (0, 1):
            kept = torch.cat([carry[f"z{full}"].to(self.earlier), self.earlier[full]])[:size]
            self.earlier[full].copy_(kept)
        self.filled.copy_((self.filled + len(carry["z0"])).clamp_max(size))

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.embedder.each(views), views, count)
