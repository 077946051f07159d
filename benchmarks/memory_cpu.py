"""Whether memory grows with the data: what packing and an epoch of steps hold, of 1, 2 and 4 GB of images.

    python benchmarks/memory_cpu.py --write       the table into docs/performance.md

Images of 256 pixels, made up, in an .npy; packed to as many bytes again; then read in the loop's order, each once, by
a method that does nearly nothing, so that what is held is held for reading. Memory is the largest of what the process
has for itself (RssAnon, looked at every 10 ms) beyond its libraries: pages of files that are mapped are the system's,
which takes them back when it needs them. The data need twice their size on the disk, in a folder that is removed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from tables import ROOT, markdown, put
from torch import nn

from tacit.config import Config
from tacit.core import Encoder, Features, Method, Modality, Progress, Step, View
from tacit.data.dataset import open_dataset
from tacit.engine import loop
from tacit.engine.settings import Budget, EngineConfig
from tacit.modalities import MODALITIES

SIDE, BATCH, EVERY = 256, 64, 0.01
STATUS = Path("/proc/self/status")


class Means(Encoder):
    """The mean of each colour, through a matrix."""

    dim = 3

    def __init__(self) -> None:
        super().__init__()
        self.mixed = nn.Linear(3, 3)

    def forward(self, view: View) -> Features:
        return Features(self.mixed(view.x.mean((2, 3))))


class Dark(Method):
    """Pulls colours to zero."""

    views = ("plain",)

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.own = encoder

    @property
    def encoder(self) -> Encoder:
        return self.own

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(cls.views)

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        return Step(self.own(views[0]).pooled.square().sum(1), nothing_learnt=0.0)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--megabytes", type=int, nargs="+", default=[1000, 2000, 4000])
    arguments.add_argument("--held", type=Path, help="measure the set in this folder, in this process")
    arguments.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    given = arguments.parse_args()
    if not STATUS.is_file():
        sys.exit("what a process holds for itself is read from /proc, and there is none here")
    if given.held:
        print(json.dumps(held(given.held)))
        return
    lines = [[f"{size:,} MB", *(f"{value:,.0f}" for value in apart(size).values())] for size in given.megabytes]
    text = markdown(["images", "packing, MB", "an epoch of steps, MB"], lines)
    print(text)
    if given.write:
        put("memory_cpu", text, ROOT / "docs" / "performance.md")


def apart(megabytes: int) -> dict[str, float]:
    """Made up, and measured in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        make(Path(place) / "images.npy", megabytes)
        words = [sys.executable, __file__, "--held", place]
        environment = {**os.environ, "TACIT_CACHE": f"{place}/cache"}
        done = subprocess.run(words, check=True, capture_output=True, text=True, env=environment)
        found: dict[str, float] = json.loads(done.stdout)
        return found


def make(path: Path, megabytes: int) -> None:
    """uint8 `[N, 256, 256, 3]`, the same noise but for eight bytes, so that no two are one sample."""
    count = max(2 * BATCH, round(megabytes * 1e6 / (3 * SIDE**2)))
    noise = np.random.default_rng(0).bytes(3 * SIDE**2)
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, SIDE, SIDE, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        for number in range(count):
            file.write(number.to_bytes(8, "little") + noise[8:])


def held(place: Path) -> dict[str, float]:
    """Megabytes beyond the libraries', while the set is packed and while an epoch of it is learnt from."""
    torch.set_num_threads(1)
    modality, found = MODALITIES["image"], dict[str, float]()
    with watched(found, "packing"):
        config = modality.config(size=SIDE)
        samples = open_dataset(str(place / "images.npy"), modality, config).everything()
    config = EngineConfig(budget=Budget(epochs=1), batch=BATCH, evaluations=0)
    learner = Dark(Config(), Means(), modality, samples.view(torch.arange(2)))
    with watched(found, "epoch"):
        loop.fit(learner, samples, {}, config)
    return found


@contextmanager
def watched(found: dict[str, float], name: str) -> Iterator[None]:
    """Puts the most that was held inside the block into `found`, beyond what was held before."""
    ended, before = threading.Event(), own()
    peak = [before]

    def look() -> None:
        while not ended.wait(EVERY):
            peak[0] = max(peak[0], own())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    found[name] = peak[0] - before


def own() -> float:
    """Megabytes that this process has for itself."""
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
