"""NNCLR: the positive of a sample is its nearest neighbour among earlier ones, not a view of itself."""

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
from tacit.methods.similar import kinds_of, pairs_of, recognised
from tacit.nn.heads import Embedder, mlp
from tacit.nn.queue import Queue
from tacit.ranks import gathered


class NNCLR(Method):
    """Learns to find, among the batch, the view of a sample whose other view has this nearest neighbour.

    Views only ever show what a transformation changes; neighbours are other samples, and so differ in more. They are
    looked up in a queue of earlier embeddings, in which a sample itself does not count. With `local` views small crops
    are found as well, by the neighbours of both full views; they have none themselves.
    """

    contrasts = True
    paper = "Dwibedi et al. 2021, With a Little Help from My Friends, arXiv 2104.14548"
    formula = (
        "loss_i = -log softmax_k( cos(NN(z_i), q(z'_k)) / T )_i,  NN(z) = the nearest of earlier embeddings; "
        "both orders of the views"
    )
    presets = {
        "default": {"optimiser": {"lr": 2e-3}},
        "paper": {
            "method": {"temperature": 0.1, "queue": 98_304, "hidden": 4096, "out": 256},
            "encoder": {"name": "timm", "model": "resnet50"},
            "modality": {
                "size": 224,
                "strong": {"crop": [0.08, 1.0], "jitter": 0.8, "strength": 0.5, "grey": 0.2, "blur": 0.5},
            },
            "optimiser": {"name": "lars", "lr": 4.8, "weight_decay": 1e-6, "warmup": 0.01},
            "batch": 4096,
            "budget": {"epochs": 1000},
        },
    }

    class Config(Named):
        name: Literal["nnclr"] = "nnclr"
        temperature: float = Field(default=0.2, gt=0, description="divides the similarities; small looks at near ones")
        queue: int = Field(default=4096, ge=1, description="earlier embeddings in which neighbours are looked up")
        hidden: int = Field(default=512, ge=1, description="hidden width of projector and predictor")
        out: int = Field(default=128, ge=1, description="width in which views are compared")
        local: int = Field(default=0, ge=0, description="small crops a sample beside two full views")
        positive: Literal["strong", "next"] = Field(
            default="strong", description="the second view: of the same sample, or of what comes next in its whole"
        )

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.views = kinds_of(config.local, config.positive, full=2)
        self.embedder = Embedder(encoder, mlp(encoder.dim, config.hidden, config.out))
        self.predictor = mlp(config.out, config.hidden, config.out)
        self.queue = Queue(config.queue, config.out)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(kinds_of(config.local, config.positive, full=2))

    @property
    def encoder(self) -> Encoder:
        return self.embedder.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        index = views[0].index
        assert index is not None, "the engine gives every view its index"
        z = self.embedder.each(views)
        keys = F.normalize(z[:2].detach(), dim=2)
        near = [self._neighbours(key, index) for key in keys]
        guess = F.normalize(torch.stack([self.predictor(each) for each in z]).float(), dim=2)
        guess, own_rows = gathered(guess, dim=1)
        right = torch.arange(guess.shape[1], device=index.device)[own_rows]
        losses = []
        for view, full in pairs_of(len(views)):
            scores = near[full] @ guess[view].T / self.config.temperature
            losses.append(F.cross_entropy(scores, right, reduction="none"))
        return Step(torch.stack(losses).mean(dim=0), math.log(guess.shape[1]), carry={"keys": keys[0], "index": index})

    def _neighbours(self, keys: Tensor, index: Tensor) -> Tensor:
        """The nearest earlier embedding of each, `[B, out]`, of another sample; no gradient reaches it."""
        likeness = (keys @ self.queue.keys.T).masked_fill(~self.queue.others(index), -torch.inf)
        return self.queue.keys[likeness.argmax(dim=1)]

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        self.queue.push(carry["keys"], carry["index"])

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.embedder.each(views), views, count)
