"""CIFAR-10 on a GPU, long enough to compare with papers: ResNet-18, 200 epochs; writes the table of docs/choosing.md.

    python benchmarks/cifar10.py --write                      all methods, three seeds each
    python benchmarks/cifar10.py --methods simclr moco        some of them; seeds by --seeds 0 1 2
    python benchmarks/cifar10.py --methods moco --seeds 0 --epochs 1 --images 200 --tested 100     is it all there?

What has been done is not done again: delete the folder of a method and a seed, or its evaluation.json, to do so.
Protocol: the official split, pre-training on the 50,000 training images without labels, each method's own default
recipe but for the encoder, the batch and what is --set; the last epoch's encoder, one view of the whole image. kNN with
k = 20, and logistic regression on all labels, whose C is chosen on a part of the training images; the test set used
once. A cell is the mean over seeds, in brackets the least and the most. CIFAR-10 is looked up in $TACIT_DATA.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from cifar10_cpu import run
from matrix_images import drawn
from tables import ROOT, markdown, numbers, put

METHODS = ("simclr", "moco", "moco-v3", "nnclr", "byol", "simsiam", "vicreg", "barlow-twins", "swav", "dino")
COLUMNS = (("knn", "k=20", "kNN"), ("linear", "all", "linear, all labels"))
FLOORS = ("untrained", "raw pixels")
Found = Mapping[str, Sequence[dict[str, Any]]]
"""Method -> its evaluations, one a seed."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--methods", nargs="*", default=METHODS)
    arguments.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    arguments.add_argument("--epochs", type=int, default=200)
    arguments.add_argument("--batch", type=int, default=512)
    arguments.add_argument("--encoder", default="resnet18")
    arguments.add_argument("--set", nargs="*", default=[], help="settings of all runs, such as precision=bf16")
    arguments.add_argument("--images", type=int, help="few training images, to see whether all works; default: all")
    arguments.add_argument("--tested", type=int, help="with --images: few test images, too")
    arguments.add_argument("--runs", type=Path, default=Path("runs/cifar10"))
    arguments.add_argument("--write", action="store_true", help="put the table into docs/choosing.md")
    given = arguments.parse_args()
    given.runs.mkdir(parents=True, exist_ok=True)
    data = drawn(given.runs, given.images, 0, given.tested) if given.images else "cifar10"
    tasks = ("--task", ",".join(task for task, *_ in COLUMNS))
    for method in given.methods:
        for seed in given.seeds:
            run(place(given.runs, method, seed), data, ("--method", method, *recipe(given), "--seed", seed), tasks)
    text = table({method: evaluations(given.runs, method, given.seeds) for method in given.methods})
    print(text)
    if given.write:
        put("cifar10", text, ROOT / "docs" / "choosing.md")


def recipe(given: argparse.Namespace) -> list[object]:
    """What `tacit train` is told beside the method and the seed."""
    wishes = [word for each in given.set for word in ("--set", each)]
    return ["--encoder", given.encoder, "--epochs", given.epochs, "--batch", given.batch, *wishes]


def place(runs: Path, method: str, seed: int) -> Path:
    """The folder of a run."""
    return runs / f"{method}-{seed}"


def evaluations(runs: Path, method: str, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """What `tacit evaluate` found of a method, a seed at a time."""
    return [json.loads((place(runs, method, seed) / "evaluation.json").read_text()) for seed in seeds]


def table(found: Found) -> str:
    """A row a method, then the floors as measured beside the first one; cells of what was not measured are empty."""
    rows = [[f"`{method}`", *cells(each, method)] for method, each in found.items()]
    floors = next((each for each in found.values() if each), [])
    rows += [[f"*{name}*", *cells(floors, name)] for name in FLOORS]
    return markdown(["method", *(title for *_, title in COLUMNS)], rows)


def cells(seeds: Sequence[dict[str, Any]], row: str) -> list[str]:
    """One row's mean over seeds, the least and the most."""
    each = [numbers(evaluation, row) for evaluation in seeds]
    told = []
    for task, metric, _ in COLUMNS:
        values = [found[task, metric]["value"] for found in each if (task, metric) in found]
        told.append(f"{mean(values):.3f} [{min(values):.3f}, {max(values):.3f}]" if values else "")
    return told


if __name__ == "__main__":
    main()
