"""What `tacit embed` of pictures takes beside the encoder's own forward pass: of files never seen, and of packed ones.

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/embed_cpu.py --write       the table into docs/performance.md

2,000 pictures of CIFAR-10's training part as files, as they lie in the archive in `$TACIT_DATA`, and `convnet` as it is
before training; seconds of the processor in this process, medians of `--rounds`, each of them all ways in turn. Files
never seen are listed, read, hashed, decoded and packed into a new cache each time; then that cache serves. The forward
pass has the same views as tensors in memory, in the same batches.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from photographs import ARCHIVE
from tables import ROOT, markdown, put

import tacit
from tacit.applying.embedding import embed_to

COUNT, BATCH = 2_000, 256


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as held:
        taken = rounds(Path(held), given.rounds)
    text = table({name: statistics.median(each) for name, each in taken.items()})
    print(text)
    if given.write:
        put("embed_cpu", text, ROOT / "docs" / "performance.md")


def rounds(folder: Path, count: int) -> dict[str, list[float]]:
    """What -> seconds of each round, the forward pass first; one more goes before them and does not count."""
    photos, spent = folder / "photos", {}
    unpack(photos)
    os.environ["TACIT_CACHE"] = str(folder / "first")
    encoder = tacit.train(photos, folder / "run", encoder="convnet", settings={"budget": {"steps": 1}, "batch": 2})
    views = encoder.open(str(photos)).everything()
    held = [views.view(rows) for rows in torch.arange(len(views)).split(BATCH)]
    for number in range(count + 1):
        os.environ["TACIT_CACHE"] = str(folder / f"cache{number}")
        ways = {
            "forward pass alone": lambda: [encoder.vectors(view) for view in held],
            "files never seen, to `.parquet`": lambda: embed_to(encoder, str(photos), folder / "new.parquet"),
            "packed, to `.parquet`": lambda: embed_to(encoder, str(photos), folder / "old.parquet"),
            "packed, to `.npy`": lambda: embed_to(encoder, str(photos), folder / "old.npy"),
        }
        for name, way in ways.items():
            seconds = processor(way)
            if number:
                spent.setdefault(name, []).append(seconds)
                print(f"{name}: {seconds:.3f}", flush=True)
    return spent


def unpack(photos: Path) -> None:
    """Write the pictures into a folder, evenly from all classes."""
    photos.mkdir()
    with zipfile.ZipFile(ARCHIVE) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg") and "/train/" in name)
        for number, name in enumerate(names[:: len(names) // COUNT][:COUNT]):
            (photos / f"{number:05}.jpg").write_bytes(archive.read(name))


def processor(way: Callable[[], object]) -> float:
    """Seconds of the processor, those of all threads."""
    started = time.process_time()
    way()
    return time.process_time() - started


def table(taken: Mapping[str, float]) -> str:
    """A row each: seconds, and the share of the forward pass's speed, which comes first."""
    alone = next(iter(taken.values()))
    rows = [[name, f"{seconds:.2f}", f"{alone / seconds:.2f}"] for name, seconds in taken.items()]
    return markdown([f"`tacit embed` of {COUNT:,} pictures", "CPU s", "of the forward pass's speed"], rows)


if __name__ == "__main__":
    main()
