"""CIFAR-10 on a CPU: each method for the same time, evaluated beside all floors; writes the README's table.

    python benchmarks/cifar10_cpu.py --write             all methods, 5 minutes each, as `make bench` does
    python benchmarks/cifar10_cpu.py --methods simclr --minutes 1

The data are looked up in $TACIT_DATA, then in the user's cache, then fetched. A method that has been done is not run
again: delete its folder to do so. Protocol: the official split, pre-training on the 50,000 training images without
labels, the last step's encoder, one view of the whole image, probes as in `tacit evaluate`, the test set used once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

METHODS = ("simclr", "moco", "rotation", "autoencoder", "patches")
COLUMNS = (
    ("knn", "k=20", "kNN"),
    ("few-label", "1", "1 label"),
    ("few-label", "10", "10 labels"),
    ("few-label", "100", "100 labels"),
    ("linear", "all", "linear, all labels"),
)
FLOORS = ("untrained", "raw pixels", "majority")
BEGIN, END = "<!-- cifar10_cpu begin -->", "<!-- cifar10_cpu end -->"
README = Path(__file__).parent.parent / "README.md"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--methods", nargs="*", default=METHODS, choices=METHODS)
    arguments.add_argument("--minutes", type=float, default=5)
    arguments.add_argument("--data", default="cifar10")
    arguments.add_argument("--runs", type=Path, default=Path("runs/cifar10_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into README.md")
    given = arguments.parse_args()
    for method in given.methods:
        run(method, given)
    found = {method: folder for method in METHODS if (folder := given.runs / method / "evaluation.json").is_file()}
    text = table({method: json.loads(path.read_text()) for method, path in found.items()}, given.runs)
    print(text)
    if given.write:
        before, rest = README.read_text().split(BEGIN)
        README.write_text(f"{before}{BEGIN}\n{text}{END}{rest.split(END)[1]}")


def run(method: str, given: argparse.Namespace) -> None:
    """Train and evaluate one method in its own processes, and note the seconds."""
    folder = given.runs / method
    if (folder / "evaluation.json").is_file():
        return
    seconds = {}
    budget = () if method == "patches" else ("--time", f"{given.minutes:g}m")
    for name, words in (
        ("train", ("train", given.data, "--method", method, *budget, "--out", folder)),
        ("evaluate", ("evaluate", folder, given.data)),
    ):
        started = time.monotonic()
        command = [sys.executable, "-m", "tacit", *map(str, words)]
        print("$ tacit", *map(str, words), flush=True)
        subprocess.run(command, check=True)
        seconds[name] = round(time.monotonic() - started)
    (folder / "seconds.json").write_text(json.dumps(seconds))


def table(found: dict[str, dict], runs: Path) -> str:
    """The Markdown table: a row a method, then the floors as measured beside the first method."""
    lines = [
        f"| method | minutes | {' | '.join(title for *_, title in COLUMNS)} |",
        f"|---|--:|{'--:|' * len(COLUMNS)}",
    ]
    for method, result in found.items():
        seconds = json.loads((runs / method / "seconds.json").read_text())
        lines.append(row(f"`{method}`", result, method, f"{seconds['train'] / 60:.1f}"))
    for floor in FLOORS:
        if found:
            lines.append(row(f"*{floor}*", next(iter(found.values())), floor, ""))
    return "\n".join(lines) + "\n"


def row(title: str, result: dict, name: str, minutes: str) -> str:
    """One row; each cell is the accuracy with its 95 % interval."""
    numbers = {(r["task"], r["metric"]): r for r in result["results"] if r["row"] == name}
    cells = []
    for task, metric, _ in COLUMNS:
        number = numbers.get((task, metric))
        cells.append(f"{number['value']:.3f} [{number['low']:.3f}, {number['high']:.3f}]" if number else "")
    return f"| {title} | {minutes} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
