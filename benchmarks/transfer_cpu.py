"""Transfer on a CPU: encoders pre-trained on one set, judged on another, beside one pre-trained there.

    python benchmarks/transfer_cpu.py --sets flowers=PLACE/flowers:96 cifar10 --on flowers --write  (README)
    python benchmarks/transfer_cpu.py --sets cifar10 flowers --minutes 1

Each set is learnt from for the same time by the default recipe (`simclr`, `convnet`), without labels; every encoder is
then judged on the sets of `--on` by `tacit evaluate`, as it reads samples itself (an encoder of 32 px reads photographs
at 32 px). The sets are given as NAME=PATH, or by a built-in name; NAME=PATH:SIZE trains at another size.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tables import cell, markdown, numbers, put, tacit

TASKS = "knn,linear,few-label"
COLUMNS = (("knn", "k=20", "kNN"), ("few-label", "10", "10 labels"), ("linear", "all", "linear, all labels"))
FLOORS = ("untrained", "raw pixels", "majority")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sets", nargs="+", required=True, help="NAME, NAME=PATH or NAME=PATH:SIZE")
    arguments.add_argument("--on", nargs="+", help="names of the sets to judge on; all of them where none is given")
    arguments.add_argument("--minutes", type=float, default=5)
    arguments.add_argument("--runs", type=Path, default=Path("runs/transfer_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into README.md")
    given = arguments.parse_args()
    sets = dict(place(text) for text in given.sets)
    for name, (path, size) in sets.items():
        if not (given.runs / name / "encoder" / "model.safetensors").is_file():
            wished = ("--set", f"modality.size={size}") if size else ()
            tacit("train", path, "--time", f"{given.minutes:g}m", *wished, "--out", given.runs / name)
    rows = [row for target in given.on or sets for row in judged(target, sets, given.runs)]
    text = markdown(["judged on", "pre-trained on", *(title for *_, title in COLUMNS)], rows)
    print(text)
    if given.write:
        put("transfer_cpu", text)


def place(text: str) -> tuple[str, tuple[str, str]]:
    """NAME=PATH:SIZE -> the name, and the path with the size."""
    name, _, path = text.partition("=")
    path, _, size = path.partition(":")
    return name, (path or name, size)


def judged(target: str, sets: dict[str, tuple[str, str]], runs: Path) -> list[list[str]]:
    """The rows of one set: every encoder, its own first, then the floors as measured beside that."""
    rows = []
    for source in sorted(sets, key=lambda name: name != target):
        out = runs / f"{source}-on-{target}"
        if not (out / "evaluation.json").is_file():
            tacit("evaluate", runs / source, sets[target][0], "--task", TASKS, "--out", out)
        result = json.loads((out / "evaluation.json").read_text())
        rows.append(row(target, f"{source}, {result['encoder']['training']['samples']:,}", result, "simclr"))
    own = json.loads((runs / f"{target}-on-{target}" / "evaluation.json").read_text())
    return rows + [row(target, f"*{floor}*", own, floor) for floor in FLOORS]


def row(target: str, title: str, result: dict, name: str) -> list[str]:
    found = numbers(result, name)
    return [target, title, *(cell(found.get((task, metric))) for task, metric, _ in COLUMNS)]


if __name__ == "__main__":
    main()
