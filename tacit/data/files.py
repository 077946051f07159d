"""Writes into the cache: whole or not at all, one writer at a time, failures in the user's words."""

from __future__ import annotations

import errno
import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tacit import atomic, console, interrupt
from tacit.errors import RunError

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def write_atomic(path: Path, contents: bytes) -> None:
    """Write a file whole or not at all; targets of their own may be written at once. Raises `OSError`."""
    atomic.write(path, contents, path.with_name(path.name + ".tmp"))


@contextmanager
def hold(path: Path, waiting: str) -> Iterator[None]:
    """Hold the lock file `path` inside the block; says `waiting` once where another process holds it.

    The file stays: removing it would let two processes hold two files of one name.
    """
    with path.open("ab") as file:
        spoken = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not spoken:
                    console.say(waiting)
                    spoken = True
                interrupt.check()
                time.sleep(0.1)
        yield


@contextmanager
def cache_errors(folder: Path, needed: int) -> Iterator[None]:
    """Turn failures of the disk inside the block into `RunError`; `needed` bytes were to be written to `folder`.

    Samples that cannot be read never end here: they raise `Unreadable`.
    """
    try:
        yield
    except OSError as error:
        move = "set TACIT_CACHE to a folder elsewhere"
        if error.errno in _NO_ROOM:
            raise RunError(f"no room left in {folder}: {_size(needed)} are needed. Free some, or {move}") from None
        raise RunError(
            f"cannot write to the cache {folder}: {(error.strerror or str(error)).lower()}; {move}"
        ) from None


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
