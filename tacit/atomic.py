"""Writes that a kill, a crash or a full disk cannot tear."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

Data = bytes | Iterable[bytes | memoryview]
"""What a file is to hold, whole or piece by piece."""


def write(path: Path, data: Data, beside: Path) -> None:
    """Put `data` at `path` whole, or leave what stood there before; `beside` is the temporary name in the same folder.

    The data are on the disk before they get their name, and the name is before the call returns. Raises `OSError`.
    """
    try:
        with beside.open("wb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` last through a crash."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
