"""ReSSL: a view of a sample is to be like earlier samples as far as another view of it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.methods.similar import kinds_of, recognised
from tacit.nn.ema import EMA
from tacit.nn.heads import Embedder, told_apart
from tacit.nn.queue import Queue
from tacit.schedule import young


class ReSSL(Method):
    """Learns to say of a sample in a strong view what a slow copy of itself says of it in a weak one: how like it is to
    each of thousands of earlier samples.

    No two samples are forced apart: what is alike to the teacher may stay alike. That all become alike is prevented by
    the teacher's lower temperature, which makes its answers surer than the student's, and by taking off what all
    embeddings have in common, without which the first answers are all alike, and stay so. With `local` views small
    crops answer as well, about the same weak view.
    """

    paper = "Zheng et al. 2021, ReSSL: Relational Self-Supervised Learning with Weak Augmentation, arXiv 2107.09282"
    formula = "loss = -sum_k p_k log softmax_k( z q_k / T ),  p = softmax_k( t q_k / U ),  t = teacher, q = queue"
    presets = {
        "default": {"optimiser": {"lr": 2e-3}},
        "paper": {
            "method": {"momentum": 0.999, "queue": 131_072, "hidden": 4096, "out": 512},
            "encoder": {"name": "timm", "model": "resnet50"},
            "modality": {
                "size": 224,
                "strong": {"crop": [0.08, 1.0], "jitter": 0.8, "strength": 0.4, "grey": 0.2, "blur": 0.5},
                "weak": {"crop": [0.2, 1.0]},
            },
            "optimiser": {"name": "sgd", "lr": 0.05, "weight_decay": 1e-4, "warmup": 0.025},
            "batch": 256,
            "budget": {"epochs": 200},
        },
    }

    class Config(Named):
        name: Literal["ressl"] = "ressl"
        temperature: float = Field(default=0.1, gt=0, description="divides the student's similarities")
        surer: float = Field(default=0.04, gt=0, description="divides the teacher's; lower, so that it is surer")
        momentum: float = Field(default=0.99, ge=0, lt=1, description="share of itself that the teacher keeps a step")
        queue: int = Field(default=4096, ge=2, description="earlier samples that all are compared with")
        hidden: int = Field(default=512, ge=1, description="hidden width of the projector")
        out: int = Field(default=128, ge=1, description="width in which views are compared")
        local: int = Field(default=0, ge=0, description="small crops a sample that answer beside the strong view")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.views = kinds_of(config.local, "weak", full=2)
        self.student = Embedder(encoder, told_apart(encoder.dim, config.hidden, config.out))
        self.teacher = EMA(self.student)
        self.queue = Queue(config.queue, config.out)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(kinds_of(config.local, "weak", full=2))

    @property
    def encoder(self) -> Encoder:
        return self.student.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        index = views[0].index
        assert index is not None, "the engine gives every view its index"
        keys = F.normalize(self.teacher(views[1]), dim=1)
        asked = self.student.each([views[0], *views[2:]], full=1)
        likeness = F.normalize(asked, dim=2) @ self.queue.keys.T
        told = (keys @ self.queue.keys.T / self.config.surer).softmax(dim=1)
        loss = -(told * (likeness / self.config.temperature).log_softmax(dim=2)).sum(dim=2)
        return Step(loss.mean(dim=0), math.log(self.config.queue), carry={"keys": keys, "index": index})

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        self.teacher.follow(self.student, young(progress, self.config.momentum))
        self.queue.push(carry["keys"], carry["index"])

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.student.each(views), views, count)
