"""What is known of the records of large files, remembered: to list a gigabyte of lines means to parse it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tacit.data.cache import cache_folder
from tacit.data.files import write_atomic
from tacit.data.listing import Longs, Names

FORMAT = 3
"""Part of every key: raised whenever a reader changes, so that no stale listing is found."""
WORTH = 4 * 2**20
"""Bytes of all files together below which parsing is as fast as remembering."""


@dataclass(frozen=True, eq=False)
class Listing:
    """Names of N records, numbers beside each, and the texts that some of these stand for."""

    names: Names
    numbers: Sequence[Longs]
    """`[N]` each."""
    texts: Sequence[Sequence[str]]
    """Texts by number, for the last `len(texts)` of `numbers`; -1 there means none."""


def remembered(facts: Any, size: int, make: Callable[[], Listing], cache_dir: Path | None = None) -> Listing:
    """The listing that `make` finds, from the cache where one was found for the same `facts` (values for JSON).

    Files of `size` bytes together that are not worth it are listed anew. A cache that cannot be read or written costs
    time later, and is no failure.
    """
    if size < WORTH:
        return make()
    key = hashlib.sha256(json.dumps([FORMAT, facts]).encode()).hexdigest()[:24]
    path = cache_folder(cache_dir) / f"{key}.listing.npz"
    with contextlib.suppress(OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return _read(path)
    found = make()
    if len(found.names) == 0:
        return found
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, _bytes(found))
    return found


def _read(path: Path) -> Listing:
    with np.load(path, allow_pickle=False) as file:
        names = Names(file["names"].tobytes(), file["ends"])
        return Listing(names, list(file["numbers"].astype(np.int64)), json.loads(file["texts"].tobytes()))


def _bytes(listing: Listing) -> bytes:
    file = io.BytesIO()
    np.savez(
        file,
        names=np.frombuffer(listing.names.blob, np.uint8),
        ends=listing.names.ends,
        numbers=np.stack(listing.numbers).astype(np.int32),
        texts=np.frombuffer(json.dumps(listing.texts).encode(), np.uint8),
    )
    return file.getvalue()
