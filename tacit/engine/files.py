"""Writes that a kill, a crash or a full disk cannot tear."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tacit.errors import RunError

PARTIAL = ".partial"
"""The one temporary name of a folder: a folder has one writer, so at most one stray file is ever left, and the next
write takes its place."""


class WriteError(RunError):
    """A file could not be written: a full disk, a quota, a folder that has gone."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"cannot write {path}: {error.strerror or error}")


def write(path: Path, data: bytes) -> None:
    """Put `data` at `path` whole, or leave what stood there before. Raises `WriteError`.

    The data are on the disk before they get their name, and the name is before the call returns.
    """
    partial = path.with_name(PARTIAL)
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise WriteError(path, error) from error


def append(path: Path, data: bytes) -> None:
    """Add `data` at the end of `path`. Raises `WriteError`."""
    try:
        with path.open("ab") as file:
            file.write(data)
    except OSError as error:
        raise WriteError(path, error) from error


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def to_json(values: Mapping[str, Any]) -> str:
    """One line of strict JSON; a float that is no number becomes null."""
    plain = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
    return json.dumps(plain, ensure_ascii=False, allow_nan=False)
