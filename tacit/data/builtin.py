"""Sets that are known by name: digits, cifar10, cifar100, imdb."""

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
from tacit.data.listing import Source
from tacit.data.records import open_records, recorded
from tacit.errors import DataError

KINDS = {"digits": "image", "cifar10": "image", "cifar100": "image", "imdb": "text"}
"""Built-in set -> its modality."""
NAMES = tuple(KINDS)
_DIGITS_TESTED = 500


def open_builtin(name: str, cache_dir: Path | None = None, *notes: str) -> Source:
    """The built-in set `name`; `notes` are added to its own.

    `digits`: the 1,797 images of 8 x 8 pixels inside scikit-learn (Alpaydin and Kaynak 1998), 500 of them for testing.
    `imdb` (Maas et al. 2011): 25,000 reviews for training and 25,000 for testing, labelled, and 50,000 without labels,
    in files such as `train_pos.jsonl.gz`; it is not fetched.
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
    own = os.environ.get("TACIT_DATA")
    places = [*([Path(own) / "text" / "imdb", Path(own) / "imdb"] if own else []), cache / "imdb"]
    for place in places:
        paths = recorded(place) if place.is_dir() else []
        if paths:
            return open_records("imdb", paths, "text", _sentiment, cache)
    raise DataError(
        "imdb is not here and is not fetched: put its reviews, as JSON lines with a member `text`, into "
        f"{places[-1]}, in files named train_pos.jsonl, train_neg.jsonl, train_unsup.jsonl, test_pos.jsonl and "
        "test_neg.jsonl, or the same with .gz behind"
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
