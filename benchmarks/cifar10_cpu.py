"""CIFAR-10 on a CPU: each method for the same time, evaluated beside all floors; writes the README's table.

    python benchmarks/cifar10_cpu.py --write             all methods, 5 minutes each, as `make cifar10` does
    python benchmarks/cifar10_cpu.py --methods simclr --minutes 1

The data are looked up in $TACIT_DATA, then in the user's cache, then fetched. What has been done is not done again:
delete a method's folder, or its evaluation.json, to do so. Protocol: the official split, pre-training on the 50,000
training images without labels, the last step's encoder, one view of the whole image, probes as in `tacit evaluate`, the
test set used once.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from tables import cell, markdown, numbers, put, tacit

METHODS = (
    "simclr",
    "moco",
    "rotation",
    "jigsaw",
    "relative-patch",
    "colorization",
    "inpainting",
    "denoising",
    "autoencoder",
    "patches",
    "manifold",
)
CLOSED = ("patches", "manifold")
"""Those that end by themselves."""
COLUMNS = (
    ("knn", "k=20", "kNN"),
    ("few-label", "1", "1 label"),
    ("few-label", "10", "10 labels"),
    ("few-label", "100", "100 labels"),
    ("linear", "all", "linear, all labels"),
)
FLOORS = ("untrained", "raw pixels", "majority")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--methods", nargs="*", default=METHODS, choices=METHODS)
    arguments.add_argument("--minutes", type=float, default=5)
    arguments.add_argument("--data", default="cifar10")
    arguments.add_argument("--runs", type=Path, default=Path("runs/cifar10_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into README.md")
    given = arguments.parse_args()
    for method in given.methods:
        budget = () if method in CLOSED else ("--time", f"{given.minutes:g}m")
        run(given.runs / method, given.data, ("--method", method, *budget))
    found = {method: folder for method in METHODS if (folder := given.runs / method / "evaluation.json").is_file()}
    text = table({method: json.loads(path.read_text()) for method, path in found.items()}, given.runs)
    print(text)
    if given.write:
        put("cifar10_cpu", text)


def run(folder: Path, data: str | Path, recipe: Sequence[object], judging: Sequence[object] = ()) -> None:
    """Train and evaluate in processes of their own, note the seconds of training, and do nothing again."""
    if not (folder / "seconds.json").is_file():
        seconds = {"train": tacit("train", data, *recipe, "--out", folder)}
        (folder / "seconds.json").write_text(json.dumps(seconds))
    if not (folder / "evaluation.json").is_file():
        tacit("evaluate", folder, data, *judging)


def table(found: dict[str, dict], runs: Path) -> str:
    """The Markdown table: a row a method, then the floors as measured beside the first method."""
    rows = []
    for method, result in found.items():
        seconds = json.loads((runs / method / "seconds.json").read_text())
        rows.append(row(f"`{method}`", result, method, f"{seconds['train'] / 60:.1f}"))
    rows += [row(f"*{floor}*", next(iter(found.values())), floor, "") for floor in FLOORS if found]
    return markdown(["method", "minutes", *(title for *_, title in COLUMNS)], rows)


def row(title: str, result: dict, name: str, minutes: str) -> list[str]:
    """One row; each cell is the accuracy with its 95 % interval."""
    found = numbers(result, name)
    return [title, minutes, *(cell(found.get((task, metric))) for task, metric, _ in COLUMNS)]


if __name__ == "__main__":
    main()
