"""How two sides of a contest are measured beside each other, and when their ratio says something.

Each run is a process of its own, in the order A B B A, with the same number of threads. Before a figure is believed,
both have to have computed the same. A ratio is withheld where the two runs of a side are more than a quarter apart:
then something else was measured than the two.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from contests.contest import Contest, Side

ORDER = "ABBA"
CLOCKS = ("wall", "cpu")
APART = 1.25
"""How many times the shorter of a side's two runs the longer may be."""
CONTENDER = Path(__file__).parent / "contender.py"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
Run = Mapping[str, Any]
"""`wall` and `cpu`, seconds of each round; `memory`, megabytes beyond libraries and data."""


@dataclass(frozen=True)
class Duel:
    """tacit beside one other."""

    contest: str
    title: str
    sides: tuple[str, str]
    """With versions; tacit is the first."""
    runs: tuple[Sequence[Run], Sequence[Run]]
    """Two runs each, as they followed each other."""
    agreement: str
    load: tuple[float, float]
    """The machine's load average before and behind it."""
    threads: int

    def seconds(self, side: int, clock: str) -> tuple[float, float]:
        """The least and the median of all rounds."""
        rounds = [second for run in self.runs[side] for second in run[clock]]
        return min(rounds), statistics.median(rounds)

    def memory(self, side: int) -> float | None:
        """Megabytes; none where the system does not say."""
        held = [run["memory"] for run in self.runs[side]]
        return None if None in held else max(held)

    def spared(self) -> float | None:
        """How many times as much memory the other holds; below a megabyte there is nothing to compare."""
        ours, theirs = self.memory(0), self.memory(1)
        return None if ours is None or theirs is None or ours < 1 else theirs / ours

    def ratio(self, clock: str) -> float | None:
        """How many times as long the other takes, by the least of each; none where a side's runs are far apart."""
        for runs in self.runs:
            first, second = (statistics.median(run[clock]) for run in runs)
            if max(first, second) > APART * min(first, second):
                return None
        return self.seconds(1, clock)[0] / self.seconds(0, clock)[0]

    def as_json(self) -> dict[str, Any]:
        """Everything, with what was the same for both."""
        figures = [
            {
                "name": name,
                **{clock: dict(zip(("min", "median"), self.seconds(at, clock), strict=True)) for clock in CLOCKS},
                "memory": self.memory(at),
                "runs": self.runs[at],
            }
            for at, name in enumerate(self.sides)
        ]
        return {
            "contest": self.contest,
            "title": self.title,
            "sides": figures,
            "ratios": {**{clock: self.ratio(clock) for clock in CLOCKS}, "memory": self.spared()},
            "agreement": self.agreement,
            "load": self.load,
            "threads": self.threads,
            "machine": machine(),
        }


def duel(contest: Contest, other: Side, size: str, threads: int) -> Duel:
    """Measure tacit beside `other`. Raises `DisagreementError` where they do not compute the same."""
    pair, said = (contest.ours, other), ""
    runs: tuple[list[Run], list[Run]] = ([], [])
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder) / f"{at}.npz" for at in range(2)]
        for letter in ORDER:
            at = "AB".index(letter)
            runs[at].append(_apart(contest, pair[at], size, threads, places[at]))
            if not said and all(place.is_file() for place in places):
                said = contest.check(*(_read(place) for place in places))
    title = contest.title.format(**contest.sizes[size])
    return Duel(contest.name, title, _named(pair), runs, said, (before, os.getloadavg()[0]), threads)


def _apart(contest: Contest, side: Side, size: str, threads: int, place: Path) -> Run:
    """One run in a fresh process."""
    words = [sys.executable, str(CONTENDER), contest.module, side.name, size, str(place)]
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{side.name} failed in the contest {contest.name}:\n{done.stderr}")
    run: Run = json.loads(done.stdout.splitlines()[-1])
    return run


def _read(place: Path) -> dict[str, np.ndarray]:
    with np.load(place, allow_pickle=False) as file:
        return dict(file)


def _named(pair: tuple[Side, Side]) -> tuple[str, str]:
    ours, theirs = (f"{side.name} {metadata.version(side.package)}" for side in pair)
    return ours, theirs


def missing(side: Side) -> bool:
    """Whether what a side needs is not installed."""
    try:
        metadata.version(side.package)
    except metadata.PackageNotFoundError:
        return True
    return False


def machine() -> dict[str, str]:
    """What figures of time depend on besides the load."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    libraries = {name: metadata.version(name) for name in ("torch", "numpy")}
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        **libraries,
    }
