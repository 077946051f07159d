"""Random network distillation: what a random network says of a moment is known where one has been, and nowhere else."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.nn.heads import Embedder, mlp

_SAME = 1e-6
_BATCH = 64


class RND(Method):
    """Learns the features of a random network that never changes; the error is small on what was seen often.

    So the loss of what comes next is how new that is, whatever leads there, and noise that cannot be predicted does
    not count as new for ever. Nothing says what of a moment matters: what a random network tells apart is learnt.
    """

    paper = "Burda et al. 2018, Exploration by Random Network Distillation, arXiv 1810.12894"
    formula = (
        "loss = |q(f(x)) - (g(x) - mean) / std|^2 / D,  x = what comes next, g = a network of the encoder's kind with "
        "random weights, frozen"
    )
    presets = {"default": {"optimiser": {"lr": 1e-3}, "usual_batch": 128}}
    views = ("next",)
    mean: Tensor
    std: Tensor

    class Config(Named):
        name: Literal["rnd"] = "rnd"
        hidden: int = Field(default=512, ge=1, description="hidden width of what predicts, behind the encoder")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        # no BatchNorm: how new a moment is must not depend on those that it is asked with
        self.student = Embedder(encoder, mlp(encoder.dim, config.hidden, encoder.dim, norm=False))
        self.target = _redrawn(encoder)
        with torch.no_grad():
            wanted = torch.cat([self.target(sample[rows]).pooled.float() for rows in _batches(len(sample))])
        # one scale for all features: in units of its own, one that is seldom anything would outweigh all others
        std = wanted.var(dim=0, correction=0).mean().sqrt()
        self.register_buffer("mean", wanted.mean(dim=0))
        self.register_buffer("std", std if std >= _SAME else torch.ones_like(std))

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, "moments"))

    @property
    def encoder(self) -> Encoder:
        return self.student.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        with torch.no_grad():
            wanted = (self.target.eval()(views[0]).pooled.float() - self.mean) / self.std
        error = (self.student(views[0]) - wanted).square().mean(dim=1)
        return Step(error, 1.0)  # who says the mean

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        loss = self(views, Progress(0, 1)).loss
        order = loss.argsort(descending=True)
        shown = {"newest": order[:count], "best known": order.flip(0)[:count]}
        return [
            Exhibit(title, views[0][rows], [f"error {value:.3f}" for value in loss[rows].tolist()])
            for title, rows in shown.items()
        ]


def _redrawn(encoder: Encoder) -> Encoder:
    """The same network with other weights, drawn as in the paper (orthogonal), that get no gradient."""
    network = copy.deepcopy(encoder).requires_grad_(False).eval()
    for weight in network.parameters():
        if weight.dim() > 1:
            nn.init.orthogonal_(weight, math.sqrt(2))
    return network


def _batches(count: int) -> Sequence[slice]:
    return [slice(start, start + _BATCH) for start in range(0, count, _BATCH)]
