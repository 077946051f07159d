"""Samples with masks, split and ready to judge an encoder on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tacit.console import say
from tacit.data.dataset import Dataset, Subset
from tacit.data.listing import printable
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError
from tacit.evaluation import segment as frozen
from tacit.evaluation.resampled import sample_weights
from tacit.heads.masks import MaskTargets
from tacit.heads.segment import occurrences
from tacit.nn.pyramid import channels_by_stride
from tacit.truth.masks import masks

STRIDE, LEAST = 4, 16
"""The stride of the cells that are classified; half of it where a side would have fewer cells than `LEAST`, and that of
the encoder's finest maps where those are coarser."""


@dataclass(frozen=True, eq=False)
class Trial:
    """What all rows share."""

    encoder: TrainedEncoder
    train: Subset
    targets: MaskTargets
    test: Subset
    test_targets: MaskTargets
    scene: frozen.Scene
    grid: tuple[int, int]
    """Rows and columns of the cells that are classified."""
    weights: Tensor
    """`[R, M]`, how often each test sample counts in each resample."""
    seed: int
    protocol: Mapping[str, Any]

    @property
    def sizes(self) -> list[int]:
        """How many labelled samples are learnt from, in rising order."""
        return [*frozen.sizes_of(len(self.train)), len(self.train)]

    def rows(self, size: int) -> Tensor:
        """Long `[S, size]`: which samples, in each draw."""
        if size == len(self.train):
            return torch.arange(size)[None]
        return frozen.draw(len(self.train), size, seed=self.seed)

    def labelled(self, size: int) -> str:
        """A number of labelled samples in words."""
        return f"{'all' if size == len(self.train) else size} {self.encoder.modality.unit}"


def trial_of(encoder: TrainedEncoder, dataset: Dataset, *, seed: int = 0, max_bad: float = 0.01) -> Trial:
    """The samples of `dataset` that have masks, ready to judge `encoder` on.

    Raises `DataError` where there are none to learn from or to judge by, and `UsageError` for an encoder without maps.
    """
    targets, known = masks(dataset, max_bad)
    everything = dataset.everything()
    parts = {}
    for part in ("train", "test"):
        dataset.part(part)  # says what parts there are where this one is missing
        rows = torch.from_numpy(dataset.parts[part])
        rows = rows[known[rows]]
        if len(rows) < 2:
            raise DataError(
                f"{len(rows)} {encoder.modality.unit} of the {part} part of {printable(dataset.name)} have a mask, and "
                f"segmentation takes some in the training and in the test part ({dataset.protocol})"
            )
        parts[part] = (everything.select(rows), targets.select(rows))
    (train, train_targets), (test, test_targets) = parts["train"], parts["test"]
    absent = _absent(dataset, test_targets)
    one = train.view(torch.arange(1))
    channels, side = channels_by_stride(encoder.network, one.to(encoder.device)), one.x.shape[-1]
    stride = max(STRIDE if side >= LEAST * STRIDE else STRIDE // 2, min(channels))
    protocol = {
        "data": dataset.name,
        "content_hash": dataset.content_hash,
        "split": dataset.protocol,
        "layout": dict(encoder.spec.layout),
        "stride": stride,
        "judged_at": f"{side} x {side}, the masks' packed size; void is left out",
        "absent_from_test": absent,
        "test_samples": len(test),
        "train_samples": len(train),
    }
    scene = frozen.Scene(train, train_targets.masks, test, test_targets.masks, len(targets.classes), seed)
    weights = sample_weights(len(test), seed=seed)
    size = (-(-side // stride), -(-side // stride))
    return Trial(encoder, train, train_targets, test, test_targets, scene, size, weights, seed, protocol)


def _absent(dataset: Dataset, targets: MaskTargets) -> list[str]:
    """The classes that no cell of the test part is of: nothing can be said about them."""
    counts = occurrences(targets).sum((1, 2)).tolist()
    absent = [name for name, count in zip(targets.classes, counts, strict=True) if not count]
    if len(absent) == len(counts):
        raise DataError(f"the masks of the test part of {printable(dataset.name)} hold nothing but void: label some")
    if absent:
        say(f"note: not in the test part, and left out of its mean: {', '.join(map(repr, absent))}")
    return absent
