"""Detection: at every place of a pyramid, what is there, how far its edges are, and how central the place is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Encoder, Features, View
from tacit.errors import DataError
from tacit.heads.average_precision import LIMIT, scores
from tacit.heads.boxes import NONE, BoxTargets, Truth
from tacit.heads.head import Answers, Head, Scores, Targets
from tacit.nn.pyramid import Pyramid, channels_by_stride

FINEST, COARSEST = 4, 32
"""Strides between which levels lie."""
REACH = 4.0
"""A level answers for boxes whose farthest edge is at most so many of its strides away; FCOS has 8, for 800 px."""
CENTRAL = 1.5
"""Only places within so many strides of a box's centre, along both axes, answer for it."""
PRIOR = 0.01
"""The probability that an untrained head gives to every class (Lin et al. 2017, arXiv 1708.02002, section 4.1)."""
LEAST_SCORE, OVERLAP, CANDIDATES = 0.05, 0.6, 1000
"""What is answered: boxes of at least this score that overlap none of their class by more, from the so many best."""
ANSWERS = ("boxes", "labels", "scores")


@dataclass(frozen=True, eq=False)
class Places:
    """What the head says at the L places of all levels, finest level first."""

    logits: Tensor
    """`[B, L, C]`."""
    distances: Tensor
    """`[B, L, 4]`, to the left, upper, right and lower edge, in cells of the view; not negative."""
    central: Tensor
    """`[B, L]`, logits of centre-ness."""
    points: Tensor
    """`[L, 2]`, (x, y) in cells of the view."""
    strides: Tensor
    """`[L]`."""

    def boxes(self) -> Tensor:
        """`[B, L, 4]`, edges in cells of the view."""
        return _edges(self.points, self.distances)


def _edges(points: Tensor, distances: Tensor) -> Tensor:
    """Boxes `[..., 4]` around `points [..., 2]`, at `distances [..., 4]` to the left, upper, right and lower edge."""
    return torch.cat([points - distances[..., :2], points + distances[..., 2:]], dim=-1)


def assign(points: Tensor, strides: Tensor, corners: Tensor, labels: Tensor, coarsest: float) -> tuple[Tensor, Tensor]:
    """Which class each place answers for, and how far the edges of its box are: long `[L]` (`NONE`), `[L, 4]`.

    A place answers for the smallest of the boxes `corners [K, 4]`, `labels [K]` in which it lies, near whose centre it
    is, and that are of its level's size (FCOS, section 3.2, with the centre sampling of its journal version).
    """
    here = points[:, None]
    distances = torch.cat([here - corners[:, :2], corners[:, 2:] - here], dim=2)  # [L, K, 4]
    middle = (corners[:, :2] + corners[:, 2:]) / 2
    inside = distances.amin(2) > 0
    close = (here - middle).abs().amax(2) < CENTRAL * strides[:, None]
    farthest = distances.amax(2)
    lowest = torch.where(strides == strides.min(), 0.0, REACH / 2 * strides)
    highest = torch.where(strides == coarsest, torch.inf, REACH * strides)
    sized = (farthest > lowest[:, None]) & (farthest <= highest[:, None])
    area = (corners[:, 2:] - corners[:, :2]).prod(1).expand(len(points), -1)
    area = torch.where(inside & close & sized, area, torch.inf)
    smallest, which = area.min(1)
    chosen = distances.gather(1, which[:, None, None].expand(-1, 1, 4))[:, 0]
    return torch.where(smallest < torch.inf, labels[which], NONE), chosen


def centreness(distances: Tensor) -> Tensor:
    """From 0 at an edge to 1 in the middle, `[N]` from `[N, 4]` (FCOS, equation 3)."""
    near, far = distances[:, :2], distances[:, 2:]
    return (torch.minimum(near, far) / torch.maximum(near, far)).prod(1).sqrt()


class Detect(Head):
    """FCOS (Tian et al. 2019, arXiv 1904.01355) on a light pyramid, with one tower for both branches.

    Loss: focal loss on the classes, GIoU on the boxes, weighted by centre-ness, and cross-entropy on the centre-ness;
    sums over the batch by its number of answering places.
    """

    class Config(Named):
        name: Literal["detect"] = "detect"
        width: int = Field(default=64, ge=8, le=1024, description="channels of the pyramid and the tower")
        depth: int = Field(default=1, ge=1, le=8, description="convolutions of the tower; FCOS has 4")

    recipe = {
        "modality": {"frame": "stretch"},  # what a crop leaves out would be missed
        # boxes teach at every place at once, so a head alone gains less than an encoder that follows from the start
        "method": {"linear": 0.0, "rate": 1.0},
        "optimiser": {"weight_decay": 0.05, "warmup": 0.1, "clip": 10.0},
    }
    floor = "usual boxes"

    def __init__(self, config: Config, encoder: Encoder, sample: View, classes: Sequence[str]) -> None:
        super().__init__(config, encoder, sample, classes)
        self.classes = tuple(classes)
        self.shape = (sample.x.shape[-2], sample.x.shape[-1])
        channels = channels_by_stride(encoder, sample)
        strides = _strides(min(self.shape), min(channels), max(channels))
        self.pyramid = Pyramid(channels, strides, config.width)
        norms = math.gcd(config.width, 16)
        self.tower = nn.Sequential(
            *(
                layer
                for _ in range(config.depth)
                for layer in (
                    nn.Conv2d(config.width, config.width, 3, 1, 1, bias=False),
                    nn.GroupNorm(norms, config.width),
                    nn.ReLU(inplace=True),
                )
            )
        )
        self.what = nn.Conv2d(config.width, len(self.classes), 3, 1, 1)
        self.where = nn.Conv2d(config.width, 5, 3, 1, 1)  # four edges and the centre-ness
        self.scales = nn.Parameter(torch.ones(len(strides)))
        for layer, bias in ((self.what, -math.log((1 - PRIOR) / PRIOR)), (self.where, 0.0)):
            assert layer.bias is not None
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.bias, bias)

    @classmethod
    def needs(cls) -> frozenset[str]:
        return frozenset({"grid"})

    def prepare(self, targets: Targets) -> None:
        """Nothing: the loss of a head that knows only how frequent the classes are depends on the places."""

    def forward(self, features: Features) -> Places:
        """What there is at each place, float32."""
        parts = [self._level(number, level) for number, level in enumerate(self.pyramid(features.maps))]
        logits, distances, central, points, strides = zip(*parts, strict=True)
        return Places(
            torch.cat(logits, dim=1),
            torch.cat(distances, dim=1),
            torch.cat(central, dim=1),
            torch.cat(points),
            torch.cat(strides),
        )

    def _level(self, number: int, level: Tensor) -> tuple[Tensor, ...]:
        read = self.tower(level)
        what, where = self.what(read).float(), self.where(read).float()
        stride = float(self.pyramid.strides[number])
        rows, columns = level.shape[2:]
        # sides that the stride does not divide are covered by cells that are a little smaller
        y = (torch.arange(rows, device=level.device) + 0.5) * (self.shape[0] / rows)
        x = (torch.arange(columns, device=level.device) + 0.5) * (self.shape[1] / columns)
        points = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=2).flatten(0, 1)
        reach = (self.scales[number] * where[:, :4]).clamp(max=8).exp() * stride
        return (
            what.flatten(2).transpose(1, 2),
            reach.flatten(2).transpose(1, 2),
            where[:, 4].flatten(1),
            points,
            torch.full_like(points[:, 0], stride),
        )

    def loss(self, outputs: Places, truth: Truth) -> Tensor:
        """`[B]`."""
        from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

        labels, distances = self._assigned(outputs, truth)
        answering = labels != NONE
        wanted = F.one_hot(labels.clamp_min(0), len(self.classes)) * answering[..., None]
        total: Tensor = sigmoid_focal_loss(outputs.logits, wanted.float(), reduction="none").sum((1, 2))
        owners, places = answering.nonzero(as_tuple=True)
        count = max(1.0, len(owners) / len(labels))
        if len(owners) == 0:
            return total + 0 * outputs.distances.sum() + 0 * outputs.central.sum()
        weight = centreness(distances[owners, places])
        meant = _edges(outputs.points[places], distances[owners, places])
        overlap = generalized_box_iou_loss(outputs.boxes()[owners, places], meant)
        central = F.binary_cross_entropy_with_logits(outputs.central[owners, places], weight, reduction="none")
        own = central / count + overlap * weight / weight.sum() * len(labels)
        return (total / count).index_add(0, owners, own)

    def _assigned(self, outputs: Places, truth: Truth) -> tuple[Tensor, Tensor]:
        """Long `[B, L]` and `[B, L, 4]`; sample by sample, since places times boxes are many."""
        found = []
        for corners, labels in zip(truth.corners, truth.labels, strict=True):
            there = labels != NONE
            if there.any():
                coarsest = float(self.pyramid.strides[-1])
                found.append(assign(outputs.points, outputs.strides, corners[there], labels[there], coarsest))
            else:
                found.append(
                    (torch.full_like(outputs.strides, NONE).long(), outputs.distances.new_zeros(len(outputs.points), 4))
                )
        return torch.stack([each for each, _ in found]), torch.stack([each for _, each in found])

    def answers(self, outputs: Places) -> Answers:
        """`boxes` (each `[n, 4]` in packed cells), `labels` (long `[n]`) and `scores [n]`, best first, at most 100."""
        height, width = self.shape
        limits = outputs.points.new_tensor([width, height, width, height])
        boxes = torch.minimum(outputs.boxes().clamp_min(0), limits)
        sure = (outputs.logits.sigmoid() * outputs.central.sigmoid()[..., None]).sqrt()
        kept = [_best(*each) for each in zip(boxes, sure, strict=True)]
        return {name: [each[place].cpu() for each in kept] for place, name in enumerate(ANSWERS)}

    def blind(self, targets: Targets, count: int) -> Answers:
        """For every sample the boxes of the training samples, scored by how many other samples have one like it."""
        assert isinstance(targets, BoxTargets)
        return usual_boxes(targets, count)

    def judge(self, answers: Sequence[Answers], targets: Targets) -> Scores:
        """COCO's AP, AP50, AP75, and the AP of each class. Raises `DataError` where no sample has a box."""
        assert isinstance(targets, BoxTargets)
        if not (targets.labels != NONE).any():
            raise DataError("no sample of this part has a box, so there is nothing to judge by: choose another split")
        return scores(answers, targets)


def _strides(side: int, finest: int, coarsest: int) -> list[int]:
    """Of the levels: from `FINEST`, or half of what the encoder's finest maps have, to `COARSEST`, by doubling.

    The coarsest level keeps at least two cells a side.
    """
    first = min(max(FINEST, finest // 2), coarsest)
    last = max(first, min(COARSEST, side // 2))
    return [first << doublings for doublings in range(8) if first << doublings <= last]


def _best(boxes: Tensor, sure: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The boxes of one sample that survive: `boxes [L, 4]`, scores `sure [L, C]` -> boxes, labels, scores."""
    from torchvision.ops import batched_nms

    places, labels = (sure > LEAST_SCORE).nonzero(as_tuple=True)
    values, order = sure[places, labels].sort(descending=True, stable=True)
    order, values = order[:CANDIDATES], values[:CANDIDATES]
    places, labels = places[order], labels[order]
    kept = batched_nms(boxes[places], values, labels, OVERLAP)[:LIMIT]
    return boxes[places[kept]], labels[kept], values[kept]


def usual_boxes(targets: BoxTargets, count: int) -> Answers:
    """The same answer for `count` samples: of each class at most 100 boxes that most samples have one like.

    Like is what overlaps by a half. At most `CANDIDATES` boxes a class stand for all.
    """
    from torchvision.ops import box_iou, nms

    parts = [(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0))]
    for label in range(len(targets.classes)):
        owners, places = (each.cpu() for each in (targets.labels == label).nonzero(as_tuple=True))
        some = torch.linspace(0, len(owners) - 1, min(len(owners), CANDIDATES)).long()
        boxes = targets.corners[owners[some], places[some]].cpu()
        like = box_iou(boxes, boxes) > 0.5
        samples = (owners[some, None] == torch.unique(owners[some])).float()
        shared = ((like.float() @ samples) > 0).float().mean(1)
        kept = nms(boxes, shared, 0.5)[:LIMIT]
        parts.append((boxes[kept], torch.full_like(kept, label), shared[kept]))
    together = (torch.cat(each) for each in zip(*parts, strict=True))
    return {name: [value] * count for name, value in zip(ANSWERS, together, strict=True)}
