"""The files of a run: whole or not at all, and failures in the words of the user."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tacit import atomic
from tacit.errors import RunError

PARTIAL = ".partial"
"""The one temporary name of a folder: a folder has one writer, so at most one stray file is ever left, and the next
write takes its place."""


class WriteError(RunError):
    """A file could not be written: a full disk, a quota, a folder that has gone."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"cannot write {path}: {error.strerror or error}")


def write(path: Path, data: atomic.Data) -> None:
    """Put `data` at `path` whole, or leave what stood there before. Raises `WriteError`."""
    try:
        atomic.write(path, data, path.with_name(PARTIAL))
    except OSError as error:
        raise WriteError(path, error) from error


def append(path: Path, data: bytes) -> None:
    """Add `data` at the end of `path`. Raises `WriteError`."""
    try:
        with path.open("ab") as file:
            file.write(data)
    except OSError as error:
        raise WriteError(path, error) from error


def to_json(values: Mapping[str, Any]) -> str:
    """One line of strict JSON; a float that is no number becomes null."""
    plain = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
    return json.dumps(plain, ensure_ascii=False, allow_nan=False)
