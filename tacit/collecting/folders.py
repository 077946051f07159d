"""A folder of episodes that grows, one file each, and can be gone on with."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tacit.collecting.worlds import Array
from tacit.engine import files
from tacit.errors import UsageError
from tacit.modalities.episodes import REWARDS

ABOUT = ".collection.json"
"""Hidden, so that a folder of episodes holds nothing else to a reader."""


def begun(out: Path, about: Mapping[str, object], *, resume: bool) -> tuple[int, int]:
    """How many episodes and steps are there. Raises `UsageError` where these are others than `about` says."""
    if not resume:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"{out} is there already: --resume goes on with it, another --out begins anew")
        out.mkdir(parents=True, exist_ok=True)
        files.write(out / ABOUT, json.dumps(about).encode())
        return 0, 0
    try:
        before = json.loads((out / ABOUT).read_bytes())
        before = {**({"repeat": 1} if "repeat" in about else {}), **before}
    except (OSError, ValueError, TypeError):
        raise UsageError(
            f"{out} holds no collection to go on with: leave --resume out, or name another --out"
        ) from None
    if before != about:
        other = ", ".join(f"{name} {before.get(name)} then and {about.get(name)} now" for name in {**about, **before}
                          if before.get(name) != about.get(name))  # fmt: skip
        raise UsageError(f"{out} was begun otherwise ({other}): collect as it began, or into another --out")
    lengths: list[int] = []
    while (path := _path(out, len(lengths))).is_file():
        with np.load(path, allow_pickle=False) as held:
            lengths.append(len(held[REWARDS]))
    return len(lengths), sum(lengths)


def write(out: Path, number: int, arrays: Mapping[str, Array]) -> None:
    """Episode `number` as an `.npz`, whole or not at all."""
    held = io.BytesIO()
    np.savez_compressed(held, allow_pickle=False, **arrays)
    files.write(_path(out, number), held.getvalue())


def _path(out: Path, number: int) -> Path:
    return out / f"episode-{number:06}.npz"
