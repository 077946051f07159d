"""Labels as targets: one class a sample, several of them, or numbers.

A source's label is a text (`Dataset.classes`). Classes are taken as they are; `cat;dog` are two labels, `0.5;12` two
numbers. Both `;` and `|` separate.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import torch
from torch import Tensor

from tacit.console import say
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.errors import DataError
from tacit.heads.pooled import TableTargets

HOW = "put the files into one sub-folder per class, or give a CSV with the columns path,label (--labels LIST.csv)"

DRAWN = {
    "boxes": "detect",
    "masks": "segment",
    "tags": "tag",
    "transcripts": "recognise",
    "targets": "translate",
}
"""What is drawn on samples, or written of them or for them -> the task that learns it."""


def one_class(dataset: Dataset) -> tuple[TableTargets, Tensor]:
    """Each sample's class. Raises `DataError` where there are not at least two."""
    known = _known(dataset)
    if len(dataset.classes) < 2:
        raise DataError(
            f"the labels of {printable(dataset.name)} name one class, {dataset.classes[0]!r}, and telling classes "
            f"apart takes two: {HOW}"
        )
    if 2 * len(dataset.classes) > int(known.sum()) and any(map(_measured, dataset.classes)):
        say("note: the labels are numbers, and hardly two samples have the same: --task regress learns numbers")
    return TableTargets(dataset.labels.clamp_min(0), dataset.classes), known


def several_labels(dataset: Dataset) -> tuple[TableTargets, Tensor]:
    """Which labels each sample has, 1.0 or 0.0 `[N, K]`; the text `;` says that it has none."""
    known = _known(dataset)
    given = [_split(text) for text in dataset.classes]
    names = sorted({name for each in given for name in each})
    if not names:
        raise DataError(f"the labels of {printable(dataset.name)} are all empty: there is nothing to tell")
    place = {name: number for number, name in enumerate(names)}
    rows = torch.zeros(len(given), len(names))
    for number, each in enumerate(given):
        rows[number, [place[name] for name in each]] = 1.0
    return TableTargets(rows[dataset.labels.clamp_min(0)], names), known


def numbers(dataset: Dataset) -> tuple[TableTargets, Tensor]:
    """Each sample's numbers `[N, K]`. Raises `DataError` where a label is no number, or has more or fewer of them."""
    known = _known(dataset)
    rows: list[list[float]] = []
    for text in dataset.classes:
        try:
            rows.append([_number(part) for part in _split(text)])
        except ValueError:
            raise DataError(
                f"regression needs numbers, and a label of {printable(dataset.name)} is {text!r}: write it as 12.5 "
                "(several numbers a sample: 12.5;3), or choose --task classify"
            ) from None
    counts = sorted({len(row) for row in rows})
    if len(counts) > 1 or counts == [0]:
        raise DataError(
            f"the labels of {printable(dataset.name)} hold {' and '.join(map(str, counts))} numbers: give every "
            "labelled sample the same number of them"
        )
    width = counts[0]
    names = ["label"] if width == 1 else [f"label {number + 1}" for number in range(width)]
    return TableTargets(torch.tensor(rows)[dataset.labels.clamp_min(0)], names), known


def _known(dataset: Dataset) -> Tensor:
    """Boolean `[N]`, which samples are labelled. Raises `DataError` where none is."""
    known = dataset.labels >= 0
    if not known.any():
        drawn = dataset.annotations
        other = f"; or choose --task {DRAWN[drawn.kind]}, since it has {drawn.kind}" if drawn else ""
        raise DataError(f"no sample of {printable(dataset.name)} has a label: {HOW}{other}")
    return known


def _split(text: str) -> Sequence[str]:
    return [part.strip() for part in re.split(r"[;|]", text) if part.strip()]


def _measured(text: str) -> bool:
    """Whether a label is a number with a fraction, and so rather a measurement than the name of a class."""
    try:
        return not _number(text).is_integer()
    except ValueError:
        return False


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
