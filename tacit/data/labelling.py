"""Labels that stand in a list of their own, beside the samples."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from tacit.data.dataset import Dataset
from tacit.data.listing import number_classes, printable
from tacit.data.table import paths_and_columns
from tacit.errors import DataError, nearest

SHOWN = 5


def with_labels(dataset: Dataset, path: Path) -> Dataset:
    """The set with the labels that the list at `path` gives (.csv or .tsv with the columns `path` and `label`).

    Paths are the samples' names in the set, or lead to its files; of a file in pieces all get its label that have none
    of their own in the list. Training samples that the list does not name have no label; others keep one that the list
    knows, so that there is something to test on.

    Raises:
        DataError: the list cannot be read, names samples that the set does not have, or contradicts itself.
    """
    given = _given(dataset, path)
    known = set(given.values())
    own = [dataset.classes[label] if label >= 0 else None for label in dataset.labels.tolist()]
    trained = set(dataset.parts.get("train", np.array([], np.int64)).tolist())
    texts = [given.get(row, text if row not in trained and text in known else None) for row, text in enumerate(own)]
    labels, classes = number_classes(texts)
    return dataset.relabelled(torch.from_numpy(labels.astype(np.int64)), classes)


def _given(dataset: Dataset, path: Path) -> dict[int, str]:
    """Row of the whole set -> the label in the list."""
    places = {printable(name): [row] for row, name in enumerate(dataset.everything().names)}
    wholes = _wholes(dataset)
    given: dict[int, str] = {}
    of_whole: dict[int, str] = {}
    missing: list[str] = []
    for name, label in _entries(path):
        spellings = [*_spellings(name, path, dataset.name)]
        rows = next((places[known] for known in spellings if known in places), None)
        found = rows or next((wholes[known] for known in spellings if known in wholes), None)
        if found is None:
            missing.append(name)
        for row in found or ():
            known = (given if rows else of_whole).setdefault(row, label)
            if known != label:
                raise DataError(f"{path} gives {printable(name)} two labels, {known!r} and {label!r}: keep one of them")
    if missing:
        shown = ", ".join(printable(name) for name in missing[:SHOWN])
        close = nearest(missing[0], places).partition("Valid")[0]
        raise DataError(
            f"{path} names {len(missing):,} samples that {printable(dataset.name)} does not have, or that cannot be "
            f"read: {shown}{', ...' if len(missing) > SHOWN else ''}. {close}Names are as in the set, such as "
            f"{next(iter(places))}"
        )
    if not given and not of_whole:
        raise DataError(f"{path} labels no sample: fill in its column label")
    return of_whole | given


def _wholes(dataset: Dataset) -> dict[str, list[int]]:
    """Name of a sample that is in pieces -> their rows."""
    wholes: dict[str, list[int]] = {}
    if dataset.layout.in_pieces:
        for row, name in enumerate(dataset.everything().names):
            whole, mark, _ = name.rpartition("#")
            if mark:
                wholes.setdefault(printable(whole), []).append(row)
    return wholes


def _entries(path: Path) -> Iterator[tuple[str, str]]:
    """Paths and labels of the rows that have one."""
    if path.suffix.lower() not in (".csv", ".tsv"):
        raise DataError(f"--labels {path}: give a .csv or .tsv with the columns path and label")
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            for name, columns in paths_and_columns(path, file, frozenset(), []):
                if columns.get("label"):
                    yield name, columns["label"]
    except csv.Error as error:
        raise DataError(f"{path} is no valid table: {error}") from None
    except OSError as error:
        raise DataError(f"--labels {path} cannot be read: {(error.strerror or str(error)).lower()}") from None


def _spellings(name: str, path: Path, data: str) -> Iterator[str]:
    """What the set may call the sample: the name itself, or the way to the file from the set's folder."""
    yield name
    for base in (path.parent, Path()):
        yield os.path.relpath(base / name, data)
