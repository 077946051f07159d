"""Samples with boxes drawn on them: what the readers of all formats share."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tacit import interrupt
from tacit.data.annotation import Annotations, Boxes
from tacit.data.listing import NO_PART, NamesBuilder, Source, fingerprint, printable, read_file
from tacit.data.table import look
from tacit.errors import Unreadable

MOVED = 1e-3
"""The share of a side by which an edge may lie outside and still count as rounded, not as wrong."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """One sample of an annotated set, as the reader of a format found it."""

    name: str
    """Path of its file, below the set's root."""
    part: int = NO_PART
    """Index into `PARTS`."""
    boxes: Boxes | str | None = None
    """What is drawn on it; why that cannot be read; or None where it is not annotated at all."""


def boxes_of(rows: Sequence[Sequence[float]], labels: Sequence[int], width: int, height: int) -> Boxes:
    """Boxes from `[left, upper, right, lower]` rows, which may be none. Raises `Unreadable` on NaN and infinities."""
    corners = np.array(rows, np.float64).reshape(-1, 4)
    if not np.isfinite(corners).all():
        raise Unreadable("a coordinate is no finite number")
    return Boxes(corners.astype(np.float32), np.array(labels, np.int64), width, height)


def annotated_source(
    title: str,
    root: Path,
    drawn: Sequence[Drawn],
    classes: Sequence[str],
    suffixes: frozenset[str],
    notes: Sequence[str] = (),
) -> Source:
    """The samples `drawn` below `root`, with their boxes clipped to them; files that are missing are refused."""
    builder = NamesBuilder(3)
    refused, counts, found = {}, Counter[str](), []
    for row, sample in enumerate(drawn):
        interrupt.check()
        marks, reason = look(root / sample.name, suffixes)
        builder.add(os.fsencode(sample.name), *marks)
        if reason:
            refused[row] = reason
        found.append(_tidy(sample.boxes, counts) if isinstance(sample.boxes, Boxes) else sample.boxes)
    names, columns = builder.finish()
    parts = np.array([sample.part for sample in drawn], np.int8)

    def read(row: int) -> Boxes:
        boxes = found[row]
        if isinstance(boxes, Boxes):
            return boxes
        raise Unreadable(boxes or "it is not annotated")

    present = np.array([boxes is not None for boxes in found], np.bool_)
    return Source(
        title=title,
        names=names,
        read=lambda row: read_file(root / names[row]),
        fingerprint=fingerprint("boxes", names, *columns),
        labels=np.full(len(names), -1, np.int32),
        splits=parts if (parts != NO_PART).any() else None,
        refused=refused,
        annotations=Annotations("boxes", tuple(classes), read, present, tuple(_notes(counts, drawn))),
        notes=tuple(notes),
    )


def _tidy(boxes: Boxes, counts: Counter[str]) -> Boxes:
    """The boxes clipped to the sample, without those that have no area there; `counts` says how many were either."""
    edges = np.array([boxes.width or np.inf, boxes.height or np.inf] * 2, np.float32)
    clipped = np.clip(boxes.corners, 0, edges)
    solid = (clipped[:, 2:] > clipped[:, :2]).all(1)
    slack = np.where(np.isfinite(edges), MOVED * edges, 0)
    moved = solid & (np.abs(clipped - boxes.corners) > slack).any(1)
    counts["moved"] += int(moved.sum())
    counts["empty"] += int((~solid).sum())
    return Boxes(clipped[solid], boxes.labels[solid], boxes.width, boxes.height)


def _notes(counts: Counter[str], drawn: Sequence[Drawn]) -> list[str]:
    notes = []
    if counts["moved"]:
        notes.append(f"{counts['moved']:,} boxes reach beyond their sample and are clipped to it")
    if counts["empty"]:
        notes.append(f"{counts['empty']:,} boxes have no area within their sample and are left out")
    wrong = [(sample.name, sample.boxes) for sample in drawn if isinstance(sample.boxes, str)]
    if wrong:
        name, reason = wrong[0]
        notes.append(f"the annotations of {len(wrong):,} samples cannot be read, such as {printable(name)}: {reason}")
    missing = sum(sample.boxes is None for sample in drawn)
    if missing:
        notes.append(f"{missing:,} of {len(drawn):,} samples have no annotation file, and they count as unlabelled")
    return notes
