"""Folders of samples and folders of masks: files beside files, matched by folder and stem."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from tacit.core import Raw
from tacit.data.annotation import VOID_NAMES, Annotations
from tacit.data.folder import Directory, organise
from tacit.data.legend import read_legend
from tacit.data.listing import SPLIT_NAMES, Longs, Source, fingerprint
from tacit.errors import Unreadable

SAMPLES = ("images", "image", "imgs", "img", "jpegimages")
MASKS = ("masks", "mask", "labels", "label", "annotations", "annotation", "annot", "segmentationclass")
"""Names of folders that lie beside each other, `images/` and `masks/`; of several the first name wins."""
BEHIND = tuple("".join(pair) for pair in product(("", "_", "-"), ("annot", "masks", "labels", "mask", "label")))
"""What stands behind the name of a split in that of its masks: `train/` and `trainannot/`, `train_labels/`."""
ENDINGS = ("_mask", "_masks", "_label", "_labels", "_seg", "_gt", "_L")
"""What a mask's stem may have on top of its sample's."""
_NEEDED = (b"mask", b"label", b"annot", b"segmentationclass")


def paired(source: Source, root: Path | None = None) -> Source:
    """The samples of `source` with their masks; `source` itself where it is not laid out in this way.

    What the masks mean is looked up in the folder `root`, and otherwise left to the masks themselves. Raises
    `DataError` where a list there cannot be understood.
    """
    names = bytes(source.names.blob).lower()
    if not any(word in names for word in _NEEDED):
        return source
    rows: dict[Directory, list[int]] = {}
    for row in range(len(source)):
        rows.setdefault(tuple(source.names.encoded(row).split(b"/")[:-1]), []).append(row)
    beside = _beside(rows)
    mask_of = _matched(source, rows, beside)
    if not mask_of:
        return source
    below = [row for folder in beside for row in rows[folder]]
    kept = np.setdiff1d(np.arange(len(source)), below)
    masks = np.array([mask_of.get(row, -1) for row in kept.tolist()], np.int64)
    return _with_masks(source, kept, masks, len(below), root)


def _beside(folders: Mapping[Directory, Sequence[int]]) -> dict[Directory, Directory]:
    """Folder of masks -> folder of their samples, those with the preferred names first."""
    known = {_lower(folder): folder for folder in folders}
    found = []
    for folder in folders:
        lower = _lower(folder)
        for place, word in enumerate(lower):
            for rank, other in _counterparts(os.fsdecode(word)):
                samples = known.get((*lower[:place], os.fsencode(other), *lower[place + 1 :]))
                if samples is not None:
                    found.append((rank, folder, samples))
    beside: dict[Directory, Directory] = {}
    for _, folder, samples in sorted(found):
        beside.setdefault(folder, samples)
    return beside


def _lower(folder: Directory) -> Directory:
    return tuple(part.lower() for part in folder)


def _counterparts(word: str) -> Iterator[tuple[int, str]]:
    """What the folder of samples beside one of masks called `word` may be called, each with its rank."""
    if word in MASKS:
        for name in SAMPLES:
            yield MASKS.index(word), name
    for split in SPLIT_NAMES:
        behind = word.removeprefix(split)
        if behind != word and behind in BEHIND:
            yield BEHIND.index(behind), split


def _matched(
    source: Source, rows: Mapping[Directory, Sequence[int]], beside: Mapping[Directory, Directory]
) -> dict[int, int]:
    """Row of a sample -> row of its mask."""
    found: dict[int, int] = {}
    for folder, samples in beside.items():
        stems: dict[str, int] = {}
        for row in rows[folder]:
            stems.setdefault(_stem(source.name(row)), row)
        for row in rows[samples]:
            own = _stem(source.name(row))
            mask = next((stems[own + ending] for ending in ("", *ENDINGS) if own + ending in stems), None)
            if mask is not None:
                found.setdefault(row, mask)
    return found


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0]


def _with_masks(source: Source, kept: Longs, masks: Longs, below: int, root: Path | None) -> Source:
    """The rows `kept` of `source`, each with the row of its mask or -1; `below`: how many files lie among the masks."""
    names = source.names.take(kept)
    refused = {place: source.refused[row] for place, row in enumerate(kept.tolist()) if row in source.refused}
    labels, classes, splits = organise(names, refused)
    if len(classes) < 2:  # the folder of all samples is no class
        labels, classes = np.full(len(kept), -1, np.int32), ()
    legend = read_legend(root) if root is not None else None
    present = masks >= 0
    marks = fingerprint("masks", names, masks)

    def read(row: int) -> bytes:
        if not present[row]:
            raise Unreadable("it has no mask")
        raw = source.raw(int(masks[row]))
        assert isinstance(raw, bytes), "folders and archives hold files"
        return raw

    def sample(row: int) -> Raw:
        return source.read(int(kept[row]))

    notes = list(source.notes)
    if not present.all():
        notes.append(f"{int((~present).sum()):,} of {len(kept):,} samples have no mask: they count as unlabelled")
    alone = below - len(np.unique(masks[present]))
    if alone:
        notes.append(f"{alone:,} masks belong to no sample and are passed over")
    return replace(
        source,
        names=names,
        read=sample,
        fingerprint=fingerprint(f"samples {source.fingerprint}", names),
        labels=labels,
        classes=classes,
        splits=splits,
        refused=refused,
        annotations=Annotations(
            "masks",
            tuple(name for name in legend.names if name.lower() not in VOID_NAMES) if legend else (),
            read,
            present,
            legend=legend,
            fingerprint=fingerprint(f"{source.fingerprint} {marks}", names),
        ),
        notes=tuple(notes),
    )
