"""Sets that are known by name: digits, cifar10, cifar100, imdb, fsdd."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from tacit.data import cifar
from tacit.data.archive import open_zip
from tacit.data.arrays import from_arrays, open_npz
from tacit.data.cache import cache_folder
from tacit.data.folder import open_folder
from tacit.data.listing import Source, number_classes
from tacit.data.records import open_records, recorded
from tacit.data.table import Codes, group_names_of
from tacit.errors import DataError

KINDS = {"digits": "image", "cifar10": "image", "cifar100": "image", "imdb": "text", "fsdd": "audio"}
"""Built-in set -> its modality."""
NAMES = tuple(KINDS)
_DIGITS_TESTED = 500


def open_builtin(name: str, cache_dir: Path | None = None, *notes: str) -> Source:
    """The built-in set `name`; `notes` are added to its own.

    `digits`: the 1,797 images of 8 x 8 pixels inside scikit-learn (Alpaydin and Kaynak 1998), 500 of them for testing.
    `imdb` (Maas et al. 2011): 25,000 reviews for training and 25,000 for testing, labelled, and 50,000 without labels,
    in files such as `train_pos.jsonl.gz`; it is not fetched.
    `fsdd`: the Free Spoken Digit Dataset, 3,000 recordings of ten digits; the group is the speaker; it is not fetched.
    `cifar10`, `cifar100` (Krizhevsky 2009): from `$TACIT_DATA`, or the cache, or fetched into the cache.

    Raises:
        DataError: it is not there and cannot be fetched; the message names the file to put where.
    """
    cache = cache_folder(cache_dir)
    match name:
        case "digits":
            source = _digits()
        case "imdb":
            source = _imdb(cache)
        case "fsdd":
            source = _spoken_digits(cache)
        case _:
            source = _cifar(name, cache)
    return replace(source, title=name, notes=(*notes, *source.notes))


def _digits() -> Source:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    order = sorted(range(len(images)), key=lambda row: hashlib.sha256(b"digits %d" % row).digest())
    splits = np.zeros(len(images), np.int8)
    splits[order[:_DIGITS_TESTED]] = 2
    return from_arrays("digits", [images], (1,), labels=bunch.target, splits=splits)


def _imdb(cache: Path) -> Source:
    places = _places(cache, "text", "imdb")
    for place in places:
        paths = recorded(place) if place.is_dir() else []
        if paths:
            return open_records("imdb", paths, "text", _sentiment, cache)
    raise DataError(
        "imdb is not here and is not fetched: put its reviews, as JSON lines with a member `text`, into "
        f"{places[-1]}, in files named train_pos.jsonl, train_neg.jsonl, train_unsup.jsonl, test_pos.jsonl and "
        "test_neg.jsonl, or the same with .gz behind"
    )


def _places(cache: Path, kind: str, name: str) -> list[Path]:
    """Where a set that is not fetched may lie, the last one in the cache."""
    own = os.environ.get("TACIT_DATA")
    return [*([Path(own) / kind / name, Path(own) / name] if own else []), cache / name]


def _spoken_digits(cache: Path) -> Source:
    places = _places(cache, "audio", "fsdd")
    for place in places:
        if place.is_dir():
            source = open_folder(place, frozenset({".flac", ".wav"}))
            told = [name.rpartition("/")[2].split("_") for name in source.names]
            if told and all(len(parts) == 3 for parts in told):
                labels, classes = number_classes([digit for digit, _, _ in told])
                speakers = Codes()
                groups = np.array([speakers.of(speaker) for _, speaker, _ in told], np.int32)
                names = group_names_of(speakers)
                return replace(source, labels=labels, classes=classes, groups=groups, group_names=names, others={})
    raise DataError(
        "fsdd is not here and is not fetched: put the recordings of the Free Spoken Digit Dataset, named "
        f"DIGIT_SPEAKER_TAKE.wav or .flac, into {places[-1]}"
    )


def _sentiment(path: Path) -> str:
    """The label that a file's name tells: `train_pos_00.jsonl.gz` holds `pos`; unlabelled reviews are `unsup`."""
    return next((word for word in ("pos", "neg") if word in path.name.split(".")[0].split("_")), "")


def _cifar(name: str, cache: Path) -> Source:
    own = os.environ.get("TACIT_DATA")
    roots = [Path(own)] if own else []
    for root in (*roots, cache):
        for archive in (root / "images" / f"{name}.zip", root / f"{name}.zip"):
            if archive.is_file():
                return open_zip(archive, frozenset({".jpg", ".jpeg", ".png"}))
    converted = cache / f"{name}.npz"
    if not converted.is_file():
        cifar.convert(name, (*roots, cache), converted)
    return open_npz(converted)
