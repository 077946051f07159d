"""What glibc does with memory that a process of tacit's own has freed: it is kept for what is asked for next."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from pathlib import Path

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""`mallopt(3)`: from how many free bytes at its end the heap is cut, and how many blocks may lie apart from it."""
IDLE, HELD = 0.25, 0.75
"""Of the machine's memory, what may lie idle, and what may be held as long as anything lies idle."""
EVERY = 0.25
"""Seconds from one look at that to the next."""


_NAMES = ["arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"]


class _Figures(ctypes.Structure):
    """`mallinfo2(3)`."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in _NAMES)


def hold(memory: int | None = None) -> None:
    """Have glibc keep what is freed: for a program's own process, since it is for all of it.

    By default it maps each block of more than 32 MB anew, whatever its thresholds, and the system zeroes each page of
    4 KB that is taken again: a third of the time of a step where samples are large. On a heap alone holes can remain
    that nothing fits in. So a thread looks at what is idle, and gives it back where that is too much of `memory`, in
    bytes, by default the machine's.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    try:
        library.mallinfo2.restype = _Figures
    except AttributeError:  # another C library, or glibc before 2.33: nobody could look
        return
    library.mallopt(MMAP_MAX, 0)
    library.mallopt(TRIM_THRESHOLD, -1)
    threading.Thread(target=_watch, args=(library, memory or _memory()), name="heap", daemon=True).start()


def _watch(library: ctypes.CDLL, memory: int) -> None:
    while True:
        time.sleep(EVERY)
        resident, told = _resident(), library.mallinfo2()
        idle = resident - told.uordblks - told.hblkhd  # threads of their own arenas still map large blocks
        if idle > IDLE * memory or resident > HELD * memory:
            library.malloc_trim(0)


def _resident() -> int:
    """Bytes that the process has for itself."""
    _, resident, shared, *_ = map(int, Path("/proc/self/statm").read_text().split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def _memory(folder: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes of the machine, or of the container where the control group mounted at `folder` gives it fewer."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            return min(whole, int((folder / name).read_text()))
        except (OSError, ValueError):  # no such file, or `max`
            continue
    return whole
