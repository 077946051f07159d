"""The cells that frozen features of images are judged on: their grid, and the masks over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from tacit.console import say
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError
from tacit.evaluation import segment as frozen
from tacit.heads.masks import MaskTargets
from tacit.heads.segment import occurrences
from tacit.nn.pyramid import channels_by_stride
from tacit.truth.parts import Part

STRIDE, LEAST = 4, 16
"""The stride of the cells that are classified; half of it where a side would have fewer cells than `LEAST`, and that of
the encoder's finest maps where those are coarser."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What all rows are judged on."""

    scene: frozen.Scene
    stride: int
    grid: tuple[int, int]
    """Rows and columns of the cells that are classified."""
    protocol: Mapping[str, Any]


def ground_of(encoder: TrainedEncoder, dataset: Dataset, train: Part, test: Part, *, seed: int) -> Ground:
    """Samples with masks, ready to judge `encoder` on.

    Raises `DataError` where the test part holds nothing but void, and `UsageError` for an encoder without maps.
    """
    targets, wanted = train.targets, test.targets
    assert isinstance(targets, MaskTargets)
    assert isinstance(wanted, MaskTargets)
    absent = _absent(dataset, wanted)
    one = train.samples.view(torch.arange(1))
    channels, side = channels_by_stride(encoder.network, one.to(encoder.device)), one.x.shape[-1]
    stride = max(STRIDE if side >= LEAST * STRIDE else STRIDE // 2, min(channels))
    protocol = {
        "layout": dict(encoder.spec.layout),
        "stride": stride,
        "judged_at": f"{side} x {side}, the masks' packed size; void is left out",
        "absent_from_test": absent,
        "train_samples": len(train.samples),
    }
    scene = frozen.Scene(train.samples, targets.masks, test.samples, wanted.masks, len(targets.classes), seed)
    return Ground(scene, stride, (-(-side // stride), -(-side // stride)), protocol)


def _absent(dataset: Dataset, targets: MaskTargets) -> list[str]:
    """The classes that no cell of the test part is of: nothing can be said about them."""
    counts = occurrences(targets).sum((1, 2)).tolist()
    absent = [name for name, count in zip(targets.classes, counts, strict=True) if not count]
    if len(absent) == len(counts):
        raise DataError(f"the masks of the test part of {printable(dataset.name)} hold nothing but void: label some")
    if absent:
        say(f"note: not in the test part, and left out of its mean: {', '.join(map(repr, absent))}")
    return absent
