"""Sets that lie in many files: which shards there are, and which part each of them is."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tacit import interrupt
from tacit.data.listing import NO_PART, SPLIT_NAMES, hidden, printable, suffix
from tacit.errors import DataError

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_MOST = 1_000_000


def below(folder: Path, ending: str) -> list[Path]:
    """The files with the suffix `ending` below `folder`, in the order of their names' bytes, without hidden ones."""
    found = []
    for home, _, names in os.walk(folder, followlinks=False):
        interrupt.check()
        found += [Path(home, name) for name in names if suffix(name) == ending]
    shown = [path for path in found if not hidden(os.fsencode(path.relative_to(folder)))]
    return sorted(shown, key=os.fsencode)


def expand(pattern: str) -> list[Path]:
    """`x-{000..012}.tar`, `{train,val}.tar` and the like as paths in order. Raises `DataError` if one is missing."""
    choices = [_choices(inside, pattern) for inside in _BRACES.findall(pattern)]
    if np.prod([len(choice) for choice in choices], dtype=np.float64) > _MOST:
        raise DataError(f"{printable(pattern)} stands for more than {_MOST:,} files: give a smaller range")
    form = _BRACES.sub("\0", pattern).split("\0")
    paths = [Path("".join(map("".join, zip(form, (*words, ""), strict=True)))) for words in product(*choices)]
    missing = [printable(str(path)) for path in paths if not path.is_file()]
    if missing:
        some = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise DataError(
            f"{printable(pattern)} stands for {len(paths):,} files, and {len(missing):,} are missing: {some}"
        )
    return paths


def _choices(inside: str, pattern: str) -> list[str]:
    """What a pair of braces stands for."""
    match = _RANGE.fullmatch(inside)
    if match is None:
        return inside.split(",")
    first, last = match.groups()
    if int(last) - int(first) >= _MOST:
        raise DataError(f"{printable(pattern)} stands for more than {_MOST:,} files: give a smaller range")
    return [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]


def parts(paths: Sequence[str]) -> npt.NDArray[np.int8] | None:
    """Each shard's part, `[len(paths)]`, where their names tell them apart (`train-00.tar`, `val/00.tar`); else None.

    As for folders: `train` alone may mean anything, so another part has to be there.
    """
    codes = np.full(len(paths), NO_PART, np.int8)
    home = os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else ""  # noqa: PTH120
    for number, path in enumerate(paths):
        words = re.split(r"[^a-z]+", os.path.relpath(path, home or ".").lower())
        found = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
        if len(found) == 1:
            codes[number] = found.pop()
    known = set(codes.tolist()) - {NO_PART}
    return codes if 0 in known and len(known) > 1 else None


def broken_note(broken: Mapping[str, str], total: int) -> list[str]:
    """A note on the shards that cannot be read (name -> reason), if there are any."""
    if not broken:
        return []
    name, reason = next(iter(broken.items()))
    return [f"{len(broken):,} of {total:,} shards cannot be read to their end, such as {name}: {reason}"]


def none_readable(title: str, broken: Mapping[str, str]) -> DataError:
    """The error where all shards are broken (name -> reason)."""
    listed = "".join(f"\n  {name}: {reason}" for name, reason in list(broken.items())[:5])
    return DataError(f"nothing in {printable(title)} can be read; copy it again or write it anew:{listed}")
