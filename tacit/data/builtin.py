"""Sets that are known by name: digits, cifar10, cifar100."""

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

NAMES = ("digits", "cifar10", "cifar100")
_DIGITS_TESTED = 500


def open_builtin(name: str, cache_dir: Path | None = None, *notes: str) -> Source:
    """The built-in set `name`; `notes` are added to its own.

    `digits`: the 1,797 images of 8 x 8 pixels inside scikit-learn (Alpaydin and Kaynak 1998), 500 of them for testing.
    `cifar10`, `cifar100` (Krizhevsky 2009): from `$TACIT_DATA`, or the cache, or fetched into the cache.

    Raises:
        DataError: it is not there and cannot be fetched; the message names the file to put where.
    """
    source = _digits() if name == "digits" else _cifar(name, cache_folder(cache_dir))
    return replace(source, title=name, notes=(*notes, *source.notes))


def _digits() -> Source:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    order = sorted(range(len(images)), key=lambda row: hashlib.sha256(b"digits %d" % row).digest())
    splits = np.zeros(len(images), np.int8)
    splits[order[:_DIGITS_TESTED]] = 2
    return from_arrays("digits", [images], (1,), labels=bunch.target, splits=splits)


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
