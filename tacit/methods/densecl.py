"""DenseCL: MoCo of samples, and of each of their places."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.errors import UsageError
from tacit.losses.contrastive import info_nce
from tacit.methods.similar import among_older
from tacit.nn.cells import Cells, cells_of, partners, width_of_cells
from tacit.nn.ema import EMA
from tacit.nn.heads import mlp
from tacit.nn.queue import Queue
from tacit.schedule import young


class DenseCL(Method):
    """Learns to find a sample among thousands of older ones, and each of its places as another view shows it.

    Two cells are a pair where they lie at one place of the sample, as in PixPro (Xie et al. 2021, arXiv 2011.10043),
    and not where their features are most alike, as in DenseCL: views know what they were cut from, so that pairs are
    right from the first step on. As in DenseCL the older samples stand for what a cell is told from, each as the mean
    of its cells. Of a sample whose views have no place in common the loss is MoCo's alone.
    """

    contrasts = True
    paper = "Wang et al. 2021, Dense Contrastive Learning for Self-Supervised Visual Pre-Training, arXiv 2011.09157"
    formula = (
        "loss = (1 - w) NCE(q, k) + w mean_s NCE(r_s, t_s'),  NCE as in moco, each among means of older cells;  s' the "
        "cell of the other view at the place of s"
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
    views = ("strong", "strong")

    class Config(Named):
        name: Literal["densecl"] = "densecl"
        weight: float = Field(default=0.5, gt=0, lt=1, description="of the contrast of places; the rest: of samples")
        temperature: float = Field(default=0.1, gt=0, description="divides the similarities")
        momentum: float = Field(default=0.99, ge=0, lt=1, description="share of itself that the teacher keeps a step")
        queue: int = Field(default=4096, ge=1, description="older keys that serve as negatives")
        hidden: int = Field(default=512, ge=1, description="hidden width of both projectors")
        out: int = Field(default=128, ge=1, description="width in which views are compared")
        norm: bool = Field(default=True, description="BatchNorm inside the projectors; the paper has none")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.student = Both(encoder, config, sample)
        self.teacher = EMA(self.student)
        self.queue = Queue(config.queue, config.out)
        self.cells = Queue(config.queue, config.out)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, "places"))

    @property
    def encoder(self) -> Encoder:
        return self.student.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        index, config = views[0].index, self.config
        assert index is not None, "the engine gives every view its index"
        with torch.no_grad():
            keys, theirs = self.teacher.model(views[1])
        query, mine = self.student(views[0])
        whole = info_nce(query, keys, self.queue.keys.clone(), config.temperature, index, self.queue.index.clone())
        at, found = partners(mine, theirs)
        positive = theirs.x.gather(1, at[..., None].expand(-1, -1, config.out))[found]
        own = index[:, None].expand_as(found)[found]
        each = info_nce(
            mine.x[found], positive, self.cells.keys.clone(), config.temperature, own, self.cells.index.clone()
        )
        count = found.sum(dim=1)
        places = whole.new_zeros(found.shape).masked_scatter(found, each).sum(dim=1) / count.clamp_min(1)
        loss = torch.where(count > 0, whole + config.weight * (places - whole), whole)
        metrics = {"whole": whole.detach().mean(), "places": each.detach().mean(), "pairs": count.float().mean()}
        carry = {"keys": F.normalize(keys, dim=1), "cells": _mean(theirs), "index": index}
        return Step(loss, math.log(config.queue + 1), metrics, carry)

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        self.teacher.follow(self.student, young(progress, self.config.momentum))
        self.queue.push(carry["keys"], carry["index"])
        self.cells.push(carry["cells"], carry["index"])

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        query, keys = self.student(views[0][:count])[0], self.teacher.model(views[1])[0]
        return among_older(query, keys, self.queue, views, samples)


class Both(nn.Module):
    """An encoder, a head on its pooled features, and another one on each of its cells."""

    def __init__(self, encoder: Encoder, config: DenseCL.Config, sample: View) -> None:
        """Raises `UsageError` for an encoder that does not say where its features lie."""
        super().__init__()
        width = width_of_cells(encoder, sample)
        if width is None:
            raise UsageError(
                f"method {config.name} compares places, and {type(encoder).__name__} does not say where in a sample "
                "each of its features lies: leave --encoder away"
            )
        self.encoder = encoder
        self.head = mlp(encoder.dim, config.hidden, config.out, norm=config.norm)
        self.cells = mlp(width, config.hidden, config.out, norm=config.norm)

    def forward(self, view: View) -> tuple[Tensor, Cells]:
        """`[B, out]`, and the cells with vectors as wide, 0 where a cell is not valid; float32 both."""
        features = self.encoder(view)
        cells = cells_of(features, view)
        assert cells is not None, "it was asked for when this was built"
        told = self.cells(cells.x[cells.valid]).float()
        x = told.new_zeros(*cells.valid.shape, told.shape[1]).masked_scatter(cells.valid[..., None], told)
        return self.head(features.pooled).float(), replace(cells, x=x)


def _mean(cells: Cells) -> Tensor:
    """The direction of the mean of each sample's cells, `[B, D]`."""
    return F.normalize(cells.x.sum(dim=1), dim=1)
