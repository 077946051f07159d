"""Samples that are in several rows: what follows for groups, annotations, and the user."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from tacit.config import Config
from tacit.console import counted
from tacit.core import Layout, Modality
from tacit.data.annotation import Annotations
from tacit.data.cache import Packed
from tacit.data.decoding import most_pieces
from tacit.data.listing import Source

_LOOKED_AT = 256
_MANY = 0.05
"""Share of samples from which on it is worth a sentence that they are cut off."""


def groups(source: Source, packed: Packed) -> Tensor | None:
    """What keeps each row together with others, long `[N]`: the group or fold that the source says, or else the sample
    that it is a piece of; -1 for neither."""
    given = None if source.together is None else source.together[1][packed.kept].astype(np.int64)
    if packed.parts is None:
        return None if given is None else torch.from_numpy(given)
    known = np.full(len(packed), -1, np.int64) if given is None else given
    return torch.from_numpy(np.where(packed.several & (known < 0), known.max() + 1 + packed.kept, known))


def of_whole(annotations: Annotations | None, packed: Packed) -> Annotations | None:
    """The annotations without those of samples in several rows: what is said of a whole is true of no piece."""
    if annotations is None or packed.parts is None:
        return annotations
    present = annotations.present.copy()
    present[packed.kept[packed.several]] = False
    return replace(annotations, present=present, twin=of_whole(annotations.twin, packed))


def notes(source: Source, packed: Packed, modality: Modality, layout: Layout) -> Iterator[str]:
    """What the user should know of samples in several rows."""
    if packed.parts is None or modality.pieces is None:
        return
    rows, counts = np.unique(packed.kept[packed.several], return_counts=True)
    if modality.pieces.whole is not None:
        yield f"{counted(len(rows), modality.sources)}: {counted(int(counts.sum()), modality.unit)}, each a sample"
    else:
        yield (
            f"{len(rows):,} of {len(np.unique(packed.kept)):,} {modality.unit} are longer than a row holds and are "
            f"read in {counts.sum():,} pieces: each counts as a sample, with the label and the part of its whole"
        )
    full = int((counts == most_pieces(layout)).sum())
    if full:
        yield (
            f"{full:,} {modality.sources} fill {most_pieces(layout):,} pieces, the most that are kept of one: what "
            "comes behind is not read, so divide them into files"
        )
    annotations = source.annotations
    lost = 0 if annotations is None else int(annotations.present[rows].sum())
    if annotations is not None and lost:
        yield (
            f"the {annotations.kind} of {lost:,} {modality.unit} are left out, since they are of a whole and these are "
            f"in pieces: train with a larger --set modality.{modality.pieces.setting}, or give shorter {modality.unit}"
        )


def cut_off(packed: Packed, modality: Modality, layout: Layout, wanted: Config) -> Iterator[str]:
    """A note where much is cut off, and nobody has asked for it."""
    ways = modality.pieces
    if ways is None or layout.in_pieces or wanted.model_dump()[ways.setting] is not None:
        return
    if layout.shape[0] < ways.most:
        return
    some = packed.rows.take(np.unique(np.linspace(0, len(packed) - 1, _LOOKED_AT).astype(np.int64)))
    valid = modality.collate(torch.from_numpy(some), layout).valid
    assert valid is not None, "what has a length has padding"
    full = float((valid.sum(dim=1) == layout.shape[0]).float().mean())
    if full > _MANY:
        yield (
            f"{full:.0%} of the {modality.unit} fill a row, and what they hold beyond is cut off: --set "
            f"modality.{ways.way} reads all of it, in several rows, --set modality.{ways.setting} holds more in one"
        )
