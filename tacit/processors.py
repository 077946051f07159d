"""How many processors this process may use, which can be fewer than the machine has."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_LIMITS = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))
"""Where the second and the first version of Linux's control groups tell the time that a container gets, and of what."""


def allotted() -> int:
    """Processors that it is bound to, or as many as its container's share of time is worth, if these are fewer.

    More threads than that wait for each other: with 64 on a share of two, a container stands still most of the time.
    """
    return min(bound(), limit() or sys.maxsize)


def bound() -> int:
    """Processors that it is bound to (`taskset`, SLURM), where the system can tell, else all."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def limit(folder: Path = _CGROUP) -> int | None:
    """What the time is worth that the control group mounted at `folder` gets, rounded up; None without a limit."""
    for names in _LIMITS:
        try:
            quota, period = " ".join((folder / name).read_text() for name in names).split()
            return max(1, math.ceil(int(quota) / int(period))) if int(quota) > 0 else None
        except (OSError, ValueError, ZeroDivisionError):  # no such file, or `max`
            continue
    return None
