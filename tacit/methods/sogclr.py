"""SogCLR: contrast with the whole set, from small batches that remember how loud each sample's crowd was."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.losses.contrastive import global_contrast
from tacit.methods.similar import kinds_of, recognised
from tacit.nn.heads import Embedder, mlp
from tacit.nn.queue import Memory
from tacit.ranks import gathered


class SogCLR(Method):
    """Learns to tell a sample from all others of the set, of which a batch shows a few.

    The sum over others in SimCLR's denominator is of the batch alone, so that small batches follow another gradient.
    Here each sample's sum is averaged over the epochs, and what a batch adds counts by its share of that mean.
    """

    contrasts = True
    paper = "Yuan et al. 2022, Provable Stochastic Optimization for Global Contrastive Learning, arXiv 2202.12387"
    formula = (
        "gradient of  -s(i, i') / T + g_i / u_i,  g_i = mean_{k != i} exp(s(i, k) / T),  "
        "u_i <- (1 - gamma) u_i + gamma g_i,  s = cosine, i' = other view of i"
    )
    presets = {
        "default": {"optimiser": {"lr": 2e-3}},
        "paper": {
            "method": {"temperature": 0.1, "hidden": 2048, "memory": 1_281_167},
            "encoder": {"name": "timm", "model": "resnet50"},
            "modality": {
                "size": 224,
                "strong": {"crop": [0.08, 1.0], "jitter": 0.8, "strength": 0.5, "grey": 0.2, "blur": 0.5},
            },
            "optimiser": {"name": "lars", "lr": 1.2, "weight_decay": 1e-6, "warmup": 0.0125},
            "batch": 256,
            "budget": {"epochs": 800},
        },
    }

    class Config(Named):
        name: Literal["sogclr"] = "sogclr"
        temperature: float = Field(default=0.2, gt=0, description="divides the similarities; small looks at near ones")
        pace: float = Field(default=0.9, gt=0, le=1, description="share of a batch in a sample's mean; 1: DCL")
        memory: int = Field(default=65_536, ge=2, description="samples whose mean is kept; all, best")
        hidden: int = Field(default=512, ge=1, description="hidden width of the projector")
        out: int = Field(default=128, ge=1, description="width in which views are compared")
        local: int = Field(default=0, ge=0, description="small crops a sample beside one full view; 0: two full views")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.views = kinds_of(config.local)
        self.embedder = Embedder(encoder, mlp(encoder.dim, config.hidden, config.out))
        self.memory = Memory(config.memory, 1)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(kinds_of(config.local))

    @property
    def encoder(self) -> Encoder:
        return self.embedder.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        assert views[0].index is not None, "the engine gives every view its index"
        z, own = gathered(self.embedder.each(views), dim=1)  # [V, B, out]
        index, _ = gathered(views[0].index)
        before, known = self.memory.recall(index)
        loss, now = global_contrast(z, self.config.temperature, before[:, 0], known, self.config.pace)
        carry = {"loudness": now[own, None], "index": views[0].index}
        return Step(loss[own], math.log(z.shape[0] * (z.shape[1] - 1)), carry=carry)

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        self.memory.put(carry["loudness"], carry["index"])

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.embedder.each(views), views, count)
