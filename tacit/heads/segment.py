"""Segmentation: a light pyramid over the encoder's maps, and the class of every cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from tacit import interrupt
from tacit.config import Named
from tacit.core import Encoder, Features, View
from tacit.errors import DataError
from tacit.evaluation.overlap import VOID, accuracy, iou, mean_iou, tally, weighted
from tacit.heads.head import Answers, Head, Scores, Targets
from tacit.heads.masks import READ, MaskTargets
from tacit.nn.pyramid import Pyramid, channels_by_stride, resized

FINEST, LARGE = 4, 64
"""The stride at which classes are told, borders in between being interpolated; half of it for views that are less than
`LARGE` cells wide."""


class Segment(Head):
    """The levels of a feature pyramid, summed at its finest stride (Kirillov et al. 2019, arXiv 1901.02446, section 3).

    Loss: cross-entropy, the mean over the cells of a sample that are not void. Classes are weighed, since each counts
    alike in mean IoU: on all of CamVid that raised it from .380 to .409, and cost .027 of the right cells.
    """

    floor = "majority by place"
    recipe = {
        "modality": {"frame": "stretch"},  # what a crop leaves out would have no answer
        "method": {"rate": 1.0},  # with a tenth, as for one answer a sample, 10 frames of CamVid gave .27, so .30
    }
    weight: Tensor

    class Config(Named):
        name: Literal["segment"] = "segment"
        width: int = Field(default=64, ge=8, le=1024, description="channels of the pyramid")
        class_weights: bool = Field(default=True, description="weigh classes by the root of their inverse frequency")

    def __init__(self, config: Config, encoder: Encoder, sample: View, classes: Sequence[str]) -> None:
        super().__init__(config, encoder, sample, classes)
        self.config, self.classes = config, tuple(classes)
        self.shape = (sample.x.shape[-2], sample.x.shape[-1])
        channels = channels_by_stride(encoder, sample)
        self.pyramid = Pyramid(channels, _strides(min(self.shape), min(channels), max(channels)), config.width)
        self.read = nn.Sequential(
            nn.BatchNorm2d(config.width),
            nn.ReLU(inplace=True),
            nn.Conv2d(config.width, config.width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(config.width),
            nn.ReLU(inplace=True),
            nn.Conv2d(config.width, len(classes), 1),
        )
        self.register_buffer("weight", torch.ones(len(classes)))

    @classmethod
    def needs(cls) -> frozenset[str]:
        return frozenset({"grid"})

    def prepare(self, targets: Targets) -> None:
        """Class weights, whose mean over the cells is one. Raises `DataError` where there is nothing but void."""
        assert isinstance(targets, MaskTargets)
        counts = occurrences(targets).sum((1, 2))
        share = counts / counts.sum().clamp_min(1)
        if not counts.any():
            raise DataError("the masks of the training part hold nothing but void: there is nothing to learn")
        power = -0.5 if self.config.class_weights else 0.0
        weight = torch.where(counts > 0, share.clamp_min(1e-12) ** power, 0.0)
        self.weight.copy_(weight / (share * weight).sum())
        spread = share * self.weight.cpu()
        best = spread / spread.sum()
        self.nothing_learnt = float(-torch.xlogy(spread, best).sum())

    def forward(self, features: Features) -> Tensor:
        """Logits `[B, K, h, w]` at the pyramid's finest stride."""
        levels = self.pyramid(features.maps)
        size = levels[0].shape[2:]
        total = torch.stack([resized(level, size) for level in levels]).sum(0)
        logits: Tensor = self.read(total)
        return logits.float()

    def loss(self, outputs: Tensor, truth: Tensor) -> Tensor:
        """`[B]`; 0 for a sample of which nothing is known."""
        logits = F.interpolate(outputs, truth.shape[1:], mode="bilinear", align_corners=False)
        each = F.cross_entropy(logits, truth, self.weight, ignore_index=VOID, reduction="none")
        return each.sum((1, 2)) / (truth != VOID).sum((1, 2)).clamp_min(1)

    def answers(self, outputs: Tensor) -> Answers:
        """`masks`, uint8 `[B, H, W]` in the cells of the packed samples."""
        drawn = F.interpolate(outputs, self.shape, mode="bilinear", align_corners=False)
        return {"masks": drawn.argmax(1).to(torch.uint8).cpu()}

    def blind(self, targets: Targets, count: int) -> Answers:
        """At each place the class that is most frequent there."""
        assert isinstance(targets, MaskTargets)
        return {"masks": occurrences(targets).argmax(0).to(torch.uint8).expand(count, -1, -1)}

    def judge(self, answers: Sequence[Answers], targets: Targets) -> Scores:
        """Mean IoU over the classes that the truth holds, the share of cells that are right, the IoU of each class."""
        assert isinstance(targets, MaskTargets)
        tallies, done = [], 0
        for batch in answers:
            rows = torch.arange(done, done + len(batch["masks"]))
            tallies += [
                tally(batch["masks"][some - done], targets.masks(some), len(self.classes))
                for some in torch.split(rows, READ)
            ]
            done += len(rows)
        return scores(torch.cat(tallies), self.classes)


def occurrences(targets: MaskTargets) -> Tensor:
    """How often each class lies at each place, float32 `[K, H, W]`."""
    total = torch.zeros(len(targets.classes), *targets.masks(torch.arange(1)).shape[1:])
    for rows in torch.split(torch.arange(len(targets)), READ):
        interrupt.check()
        masks = targets.masks(rows)
        for number, place in enumerate(total):
            place += (masks == number).sum(0)
    return total


def scores(tallies: Tensor, classes: Sequence[str]) -> Scores:
    """The metrics of M samples with `tallies [M, 3, K]`, on resamples of them."""

    def measure(weights: Tensor) -> Mapping[str, Tensor]:
        total = weighted(weights, tallies)
        by_class = {f"IoU {name}": values for name, values in zip(classes, iou(total).unbind(-1), strict=True)}
        return {"mIoU": mean_iou(total), "accuracy": accuracy(total), **by_class}

    return measure


def _strides(side: int, finest: int, coarsest: int) -> list[int]:
    """From `FINEST`, or half of what the encoder's finest maps have, to that of its coarsest ones, by doubling."""
    first = min(max(FINEST if side >= LARGE else FINEST // 2, finest // 2), coarsest)
    return [first << doublings for doublings in range(8) if first << doublings <= coarsest]
