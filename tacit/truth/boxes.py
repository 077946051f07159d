"""Boxes of a data set as targets: read, placed on the packed samples, clipped to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tacit import interrupt
from tacit.console import progress, say
from tacit.data.annotation import Boxes
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.data.placing import Corners, shown, to_packed
from tacit.errors import DataError, Unreadable
from tacit.heads.boxes import VISIBLE, BoxTargets, padded
from tacit.truth.unusable import check

FORMATS = "Pascal VOC (JPEGImages/ and Annotations/), a COCO .json, or YOLO text (images/, labels/ and data.yaml)"


def boxes(dataset: Dataset, max_bad: float = 0.01) -> tuple[BoxTargets, Tensor]:
    """The boxes of all samples in cells of their packed form, and which samples are annotated, boolean `[N]`.

    Raises `DataError` where the set holds no boxes, or more than the fraction `max_bad` of them cannot be used.
    """
    annotations, modality = dataset.annotations and dataset.annotations.of("boxes"), dataset.modality
    if annotations is None or modality.window is None or modality.extent is None:
        held = f"it holds {dataset.annotations.kind}" if dataset.annotations else "it holds no annotations"
        raise DataError(f"{printable(dataset.name)} has no boxes to detect: {held}. Boxes are read from {FORMATS}")
    samples = dataset.everything()
    known = torch.from_numpy(annotations.present[samples.source_rows])
    corners, labels, bad = [], [], []
    total = 0
    with progress("boxes", len(samples)) as tick:
        for row, source_row in enumerate(samples.source_rows.tolist()):
            interrupt.check()
            tick(row)
            seen, kinds = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
            if known[row]:
                try:
                    drawn = annotations.read(source_row)
                    assert isinstance(drawn, Boxes)
                    seen, kinds = _placed(drawn, dataset, source_row)
                    total += len(drawn.labels)
                except Unreadable as error:
                    known[row] = False
                    bad.append((row, str(error)))
            corners.append(torch.from_numpy(seen))
            labels.append(torch.from_numpy(kinds))
    have = set(torch.cat(labels).tolist()) if labels else set()
    unseen = [name for number, name in enumerate(annotations.classes) if number not in have]
    _say_notes(
        [*annotations.notes, *(f"no box of class {name!r}" for name in unseen[:5])], total - sum(map(len, labels))
    )
    check(dataset, "boxes", bad, max_bad)
    if not any(map(len, labels)):
        raise DataError(f"not one sample of {printable(dataset.name)} has a box: there is nothing to detect")
    height, width = dataset.layout.shape[-2:]
    return padded(corners, labels, annotations.classes, (height, width)), known


def _placed(drawn: Boxes, dataset: Dataset, source_row: int) -> tuple[Corners, np.ndarray]:
    """Boxes and labels in packed cells; those that the frame hardly keeps are left out."""
    modality = dataset.modality
    assert modality.extent is not None
    assert modality.window is not None
    extent = modality.extent(dataset.raw(source_row))
    height, width = dataset.layout.shape[-2:]
    packed = to_packed(shown(drawn, extent), modality.window(extent[0], extent[1], dataset.layout), (height, width))
    seen = np.clip(packed, 0, np.array([width, height, width, height], np.float32))
    kept = (_area(seen) > 0) & (_area(seen) >= VISIBLE * _area(packed))
    return seen[kept], drawn.labels[kept]


def _area(corners: Corners) -> np.ndarray:
    sides: Corners = corners[:, 2:] - corners[:, :2]
    return sides[:, 0] * sides[:, 1]


def _say_notes(notes: Sequence[str], lost: int) -> None:
    for note in notes:
        say(f"note: {note}")
    if lost:
        say(
            f"note: {lost:,} boxes lie outside the part of a sample that the encoder sees, and are neither learnt nor "
            "judged: pre-train with --set modality.frame=stretch to see all of it"
        )
