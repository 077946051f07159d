"""MoCo v2: find a query's momentum key among a queue of older keys."""

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
from tacit.losses.contrastive import info_nce
from tacit.methods.similar import kinds_of, negatives, positive
from tacit.nn.ema import EMA
from tacit.nn.heads import Embedder, mlp
from tacit.nn.queue import Queue
from tacit.schedule import young


class MoCo(Method):
    """Learns to find, among thousands of older keys, the one that a slow copy of itself made of the same sample.

    Keys enter the queue in `update`, after they served as positives and after the batch was scored against the
    older ones. The teacher normalises by running statistics (see `EMA`), so no batch statistic tells a query which
    key is its own. Keys of a query's own sample from an earlier epoch do not count as negatives. With `local` views
    small crops are queries for the same key.
    """

    contrasts = True
    paper = "Chen et al. 2020, Improved Baselines with Momentum Contrastive Learning, arXiv 2003.04297"
    formula = (
        "loss = -log( exp(q k / T) / (exp(q k / T) + sum_queue exp(q k' / T)) ),  teacher <- m teacher + (1-m) student"
    )
    presets = {
        "default": {"optimiser": {"lr": 2e-3}},
        "paper": {
            "method": {
                "norm": False,
                "temperature": 0.2,
                "momentum": 0.999,
                "queue": 65536,
                "hidden": 2048,
                "out": 128,
            },
            "encoder": {"name": "timm", "model": "resnet50"},
            "modality": {
                "size": 224,
                "strong": {"crop": [0.2, 1.0], "jitter": 0.8, "strength": 0.4, "grey": 0.2, "blur": 0.5},
            },
            "optimiser": {"name": "sgd", "lr": 0.03, "weight_decay": 1e-4, "warmup": 0.0},
            "batch": 256,
            "budget": {"epochs": 200},
        },
    }

    class Config(Named):
        name: Literal["moco"] = "moco"
        temperature: float = Field(default=0.1, gt=0, description="divides the similarities")
        momentum: float = Field(default=0.99, ge=0, lt=1, description="share of itself that the teacher keeps a step")
        queue: int = Field(default=4096, ge=1, description="older keys that serve as negatives")
        hidden: int = Field(default=512, ge=1, description="hidden width of the projector")
        out: int = Field(default=128, ge=1, description="width in which views are compared")
        norm: bool = Field(default=True, description="BatchNorm inside the projector; the paper has none")
        local: int = Field(default=0, ge=0, description="small crops a sample that are queries, too")
        positive: Literal["strong", "next"] = Field(
            default="strong", description="the key's view: of the same sample, or of what comes next in its whole"
        )

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.views = kinds_of(config.local, config.positive, full=2)
        self.student = Embedder(encoder, mlp(encoder.dim, config.hidden, config.out, norm=config.norm))
        self.teacher = EMA(self.student)
        self.queue = Queue(config.queue, config.out)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(kinds_of(config.local, config.positive, full=2))

    @property
    def encoder(self) -> Encoder:
        return self.student.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        index = views[0].index
        assert index is not None, "the engine gives every view its index"
        keys = F.normalize(self.teacher(views[1]), dim=1)
        negatives, owners = self.queue.keys.clone(), self.queue.index.clone()
        queries = self.student.each([views[0], *views[2:]], full=1)
        losses = [info_nce(query, keys, negatives, self.config.temperature, index, owners) for query in queries]
        nothing_learnt = math.log(self.config.queue + 1)
        return Step(torch.stack(losses).mean(dim=0), nothing_learnt, carry={"keys": keys, "index": index})

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        self.teacher.follow(self.student, young(progress, self.config.momentum))
        self.queue.push(carry["keys"], carry["index"])

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        index = views[0].index
        assert index is not None, "whoever asks gives every view its index"
        query = F.normalize(self.student(views[0][:count]), dim=1)
        keys = F.normalize(self.teacher(views[1]), dim=1)
        if samples is not None:  # whose keys the queue holds can be looked up
            other, usable, title = self.queue.keys, self.queue.others(index[:count]), "queued sample"
            usable = usable & (self.queue.index >= 0)
        else:
            other, usable, title = keys, index[:count, None] != index, "hardest negative"
        cosine = (query @ other.T).masked_fill(~usable, -1)

        def look(which: Tensor) -> View:
            return views[1][which] if samples is None else samples.view(self.queue.index[which].clamp_min(0))

        mine = (query * keys[:count]).sum(dim=1)
        return [
            Exhibit("the query's view", views[0][:count]),
            positive("its key's view", views[1][:count], mine, cosine.amax(dim=1)),
            *negatives(title, cosine, look),
        ]
