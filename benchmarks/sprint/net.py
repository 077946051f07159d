"""A network for small images that shrinks them early: nine trained layers in three stages behind fixed filters."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sprint.settings import Settings
from tacit.core import Features, View
from tacit.nn.convnet import ResNet18
from tacit.nn.heads import mlp
from tacit.nn.standardise import Standardise
from tacit.nn.stem import PatchStem


class _Layer(nn.Sequential):
    """A 3x3 convolution, where `shrink` says how, with half the side: by a `stride`, or the `max` or `mean` of four."""

    def __init__(self, inputs: int, outputs: int, shrink: str = "") -> None:
        conv = nn.Conv2d(inputs, outputs, 3, stride=2 if shrink == "stride" else 1, padding=1, bias=False)
        pools = {"max": nn.MaxPool2d(2), "mean": nn.AvgPool2d(2)}
        pool = [pools[shrink]] if shrink in pools else []  # before the norm, which then reads a quarter
        super().__init__(conv, *pool, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class _Stage(nn.Module):
    """A layer that halves the side, and two with a way around them."""

    def __init__(self, inputs: int, outputs: int, shrink: str) -> None:
        super().__init__()
        self.shrink = _Layer(inputs, outputs, shrink)
        self.more = nn.Sequential(_Layer(outputs, outputs), _Layer(outputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        x = self.shrink(x)
        out: Tensor = x + self.more(x)
        return out


class Sprint(nn.Module):
    """Features `[B, 4 width]` of images `[B, 3, H, W]` in [0, 1]: the mean over the cells of the last maps."""

    def __init__(self, settings: Settings, sample: Tensor) -> None:
        super().__init__()
        widths = (2 * settings.filters, settings.width, 3 * settings.width, 4 * settings.width)
        self.dim = widths[-1]
        self.standardise = Standardise(sample)
        self.stem = PatchStem(self.standardise(sample), settings.filters, size=3, stride=settings.stride)
        self.stages = nn.Sequential(*(_Stage(*pair, settings.shrink) for pair in pairwise(widths)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.standardise(x).contiguous(memory_format=torch.channels_last)
        return self.stages(self.stem(x)).mean((2, 3))


class ResNet(nn.Module):
    """tacit's ResNet-18 as the published race has it."""

    def __init__(self, sample: Tensor) -> None:
        super().__init__()
        self.body = ResNet18(ResNet18.Config(), View(sample))
        self.dim = self.body.dim

    def forward(self, x: Tensor) -> Tensor:
        features: Features = self.body(View(x))
        return features.pooled


class Learner(nn.Module):
    """A backbone and SimCLR's head."""

    def __init__(self, settings: Settings, sample: Tensor) -> None:
        super().__init__()
        self.backbone = Sprint(settings, sample) if settings.net == "sprint" else ResNet(sample)
        widths = [self.backbone.dim, *[settings.hidden] * (settings.layers - 1)]
        deep = [
            nn.Sequential(nn.Linear(i, o, bias=False), nn.BatchNorm1d(o), nn.ReLU()) for i, o in pairwise(widths[:-1])
        ]
        self.head = nn.Sequential(*deep, *mlp(widths[-2], settings.hidden, settings.out))
        self.to(memory_format=torch.channels_last)

    def forward(self, groups: list[Tensor], samples: int) -> Tensor:
        """Unit vectors `[V, B, out]` of groups of views `[V' B, 3, H, W]`, each of one size."""
        pooled = torch.cat([self.backbone(group) for group in groups])
        return F.normalize(self.head(pooled).float().view(-1, samples, self.head[-1].out_features), dim=-1)


def halved(images: Tensor) -> AbstractContextManager[object]:
    """bfloat16 for products on a GPU: processors without it take many times as long."""
    # casts of weights that autocast keeps would outlive a CUDA graph
    return torch.autocast("cuda", torch.bfloat16, cache_enabled=False) if images.is_cuda else nullcontext()


def loss_of(z: Tensor, settings: Settings) -> Tensor:
    """How badly views `[V, B, D]` of unit length find their own image among those of the batch."""
    views, count, _ = z.shape
    if settings.loss == "means":
        others = F.normalize(z.sum(0) - z, dim=-1)
        scores = torch.bmm(z, others.transpose(1, 2)) / settings.temperature
        return F.cross_entropy(scores.flatten(0, 1), torch.arange(count, device=z.device).repeat(views))
    flat = z.flatten(0, 1)
    scores = flat @ flat.T / settings.temperature
    own = torch.eye(len(flat), dtype=torch.bool, device=z.device)
    positive = (z * (z.sum(0) - z)).sum(-1) / (views - 1) / settings.temperature
    return (scores.masked_fill(own, -torch.inf).logsumexp(1) - positive.flatten()).mean()
