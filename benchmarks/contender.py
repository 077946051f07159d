"""One side of a contest in a process of its own: `harness.py` starts it.

    python benchmarks/contender.py MODULE SIDE SIZE FOUND.npz

Prints what it measured as JSON and writes what it computed.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

import numpy as np
from contests.contest import Contest, Found, Side


def measure(contest: Contest, side: Side, size: str) -> tuple[dict[str, list[float] | float | None], Found]:
    """Seconds of each round, and megabytes that it held beyond libraries and data; and what it computed."""
    run = side.prepare(contest.sizes[size])
    wall, cpu, peaks, found = [], [], [], {}
    _forget_peak()
    before = _megabytes("VmRSS")
    for _ in range(contest.warm_up + contest.rounds):
        found = {}  # as a loop drops a batch before it makes the next one
        started, worked = time.perf_counter(), time.process_time()
        left = run()
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - worked)
        peaks.append(_megabytes("VmHWM"))
        found = contest.settle(left)
        del left
        _forget_peak()
    held = None if before is None else max(0.0, *(peak - before for peak in peaks if peak is not None))
    first = int(contest.warm_up)
    return {"wall": wall[first:], "cpu": cpu[first:], "memory": held, "before": before}, found


def _megabytes(name: str) -> float | None:
    """A line of what Linux says of this process; nothing where there is no Linux."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    (line,) = (line for line in status.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024 / 1e6


def _forget_peak() -> None:
    """Importing held more for a moment than it holds now."""
    forget = Path("/proc/self/clear_refs")
    if forget.is_file():
        forget.write_text("5")


def main() -> None:
    module, title, size, place = sys.argv[1:]
    contest = importlib.import_module(module).CONTEST
    (side,) = (side for side in (contest.ours, *contest.others) if side.name == title)
    figures, found = measure(contest, side, size)
    np.savez(place, **found)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
