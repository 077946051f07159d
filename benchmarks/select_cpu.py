"""Choosing what to label, on a CPU: chosen samples against random ones, by the number of labels in all.

    python benchmarks/select_cpu.py --write                     digits and CIFAR-10, as the README shows
    python benchmarks/select_cpu.py --sets photos --minutes 2   any labelled set

Each set is learnt from for the same time by `simclr`, without labels, digits by its preset `strokes`. `tacit evaluate
--task select` then chooses in the training part, once for each of 20 seeds, trains logistic regression on the labels of
what was chosen, and judges on the test part. An encoder that is there is used: NAME=RUN.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tables import cell, markdown, numbers, put, tacit

TOTALS = (10, 20, 40, 100)
ROWS = ("chosen", "chosen, typical", "random")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sets", nargs="+", default=["digits", "cifar10"], help="DATA or DATA=RUN")
    arguments.add_argument("--minutes", type=float, default=5)
    arguments.add_argument("--seeds", type=int, default=20)
    arguments.add_argument("--runs", type=Path, default=Path("runs/select_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into README.md")
    given = arguments.parse_args()
    rows = [row for text in given.sets for row in judged(text, given)]
    text = markdown(["set", "labels from", *(f"{total} in all" for total in TOTALS)], rows)
    print(text)
    if given.write:
        put("select_cpu", text)


def judged(text: str, given: argparse.Namespace) -> list[list[str]]:
    """The rows of one set."""
    data, _, named = text.partition("=")
    name = Path(data).name
    run, out = Path(named) if named else given.runs / name, given.runs / f"{name}-{given.seeds}"
    if not (run / "encoder" / "model.safetensors").is_file():
        preset = ("--preset", "strokes") if data == "digits" else ()
        tacit("train", data, "--time", f"{given.minutes:g}m", *preset, "--out", run)
    if not (out / "selection.json").is_file():
        labels = ",".join(map(str, TOTALS))
        tacit("evaluate", run, data, "--task", "select", "--labels", labels, "--folds", given.seeds, "--out", out)
    result = json.loads((out / "selection.json").read_text())
    keys = [("select", f"{total} in all") for total in TOTALS]
    return [[name, row, *(cell(numbers(result, row).get(key)) for key in keys)] for row in ROWS]


if __name__ == "__main__":
    main()
