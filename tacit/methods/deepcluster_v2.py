"""DeepCluster-v2: say into which cluster a sample fell when all were last divided."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.methods.similar import kinds_of, recognised
from tacit.nn.heads import Embedder, told_apart
from tacit.nn.prototypes import centres
from tacit.nn.queue import Memory


class DeepClusterV2(Method):
    """Learns to tell from any view of a sample which of k-means' clusters its last embedding fell into.

    Embeddings of samples are kept as they come by, and divided into clusters anew each time half of them are new. Views
    are compared with the clusters' centres, which get no gradient. That one cluster takes all is prevented by dividing
    again.
    """

    paper = (
        "Caron et al. 2020, Unsupervised Learning by Contrasting Cluster Assignments, arXiv 2006.09882, appendix; "
        "Caron et al. 2018, Deep Clustering for Unsupervised Learning of Visual Features, arXiv 1807.05520"
    )
    formula = (
        "loss = mean_v -log softmax_k( cos(z_v, c_k) / T )_a,  a = argmax_k cos(m, c_k),  m = the sample's embedding "
        "in the memory, c = spherical k-means of the memory"
    )
    presets = {
        "default": {"optimiser": {"lr": 3e-3}},
        "paper": {
            "method": {"clusters": 3000, "temperature": 0.1, "memory": 1_281_167, "hidden": 2048, "local": 6},
            "encoder": {"name": "timm", "model": "resnet50"},
            "modality": {"size": 224},
            "optimiser": {"name": "lars", "lr": 4.8, "weight_decay": 1e-6, "warmup": 0.0125},
            "batch": 4096,
            "budget": {"epochs": 800},
        },
    }

    class Config(Named):
        name: Literal["deepcluster-v2"] = "deepcluster-v2"
        clusters: int = Field(default=256, ge=2, description="of k-means; more than there are classes")
        each: int = Field(default=5, ge=1, description="samples a cluster at least, on average: of few, fewer clusters")
        temperature: float = Field(default=0.3, gt=0, description="divides the cosines to the centres")
        memory: int = Field(default=16_384, ge=2, description="samples whose last embedding is kept; all, best")
        hidden: int = Field(default=512, ge=1, description="hidden width of the projector")
        out: int = Field(default=128, ge=1, description="width in which views are compared")
        local: int = Field(default=0, ge=0, description="small crops a sample beside two full views")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.views = kinds_of(config.local, full=2)
        self.embedder = Embedder(encoder, told_apart(encoder.dim, config.hidden, config.out))
        self.memory = Memory(config.memory, config.out)
        self.centres: Tensor
        self.register_buffer("centres", F.normalize(torch.randn(config.clusters, config.out), dim=1))
        self.count: Tensor
        self.register_buffer("count", torch.tensor(config.clusters))  # how many of the centres are in use
        self.new: Tensor
        self.register_buffer("new", torch.tensor(0))  # embeddings since samples were last divided

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(kinds_of(config.local, full=2))

    @property
    def encoder(self) -> Encoder:
        return self.embedder.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        index = views[0].index
        assert index is not None, "the engine gives every view its index"
        z = F.normalize(self.embedder.each(views), dim=2)  # [V, B, out]
        likely = (z @ self._used().T / self.config.temperature).log_softmax(dim=2)
        cluster = self._clusters(z, index)
        loss = torch.stack([F.nll_loss(each, cluster, reduction="none") for each in likely]).mean(dim=0)
        return Step(loss, math.log(int(self.count)), carry={"keys": z[0].detach(), "index": index})

    def _used(self) -> Tensor:
        return self.centres[: int(self.count)]

    @torch.no_grad()
    def _clusters(self, z: Tensor, index: Tensor) -> Tensor:
        """Long `[B]`, the cluster of each sample: of its embedding in the memory, or else of its views at full size."""
        held, known = self.memory.recall(index)
        return (torch.where(known[:, None], held.to(z), z[0] + z[1]) @ self._used().T).argmax(dim=1)

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        self.memory.put(carry["keys"], carry["index"])
        self.new += len(carry["index"])
        held = self.memory.held
        if 2 * self.new >= len(held):
            count = min(self.config.clusters, max(2, len(held) // self.config.each))
            self.centres[:count] = centres(held, count)
            self.count.fill_(count)
            self.new.zero_()

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.embedder.each(views), views, count)
