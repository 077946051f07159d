"""Five sets of the UCR and UEA archives on a CPU, a minute of training each: few labels beside all floors.

    python benchmarks/ucr_cpu.py                        150 steps a set, then the judgement
    python benchmarks/ucr_cpu.py --sets GunPoint        one set
    python benchmarks/ucr_cpu.py --write                the table of what was measured into docs/series.md

The archives are looked up in $TACIT_DATA. Protocol: the published split; learning from its training part without labels
by the default recipe, the last step's encoder; logistic regression on frozen features, few labels as the mean of 20
paired draws, 95 % intervals over test series and draws. Runs that are there already are not repeated.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from tables import ROOT, cell, markdown, numbers, put, tacit

SETS = ("GunPoint", "ItalyPowerDemand", "ArrowHead", "BasicMotions", "ACSF1")
ROWS = ("untrained", "raw values", "statistics", "spectrum", "1-NN Euclid", "1-NN DTW")
FEW = 5
"""Labels per class of the first table."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=Path(os.environ.get("TACIT_DATA", ".")) / "time_series/ucr_uea")
    arguments.add_argument("--sets", default=",".join(SETS))
    arguments.add_argument("--steps", type=int, default=150)
    arguments.add_argument("--method", default="simclr")
    arguments.add_argument("--runs", type=Path, default=Path("runs/ucr_cpu"))
    arguments.add_argument("--write", action="store_true")
    given = arguments.parse_args()
    found = {name: measured(name, given) for name in given.sets.split(",")}
    text = "\n".join(table(given.method, found, key) for key in (("few-label", FEW), ("linear", "all")))
    print(text)
    for name, evaluation in found.items():
        print(f"{name}: {evaluation['verdict']['sentence']}")
    if given.write:
        put("ucr_cpu", text, ROOT / "docs" / "series.md")


def measured(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """The evaluation of one set, made where it is not there yet."""
    run, data = given.runs / f"{name}-{given.method}", given.data / name
    if not (run / "encoder" / "model.safetensors").is_file():
        words = ("--method", given.method, "--steps", given.steps, "--out", run)
        print(f"trained in {tacit('train', data, *words)} s")
    if not (run / "evaluation.json").is_file():
        print(f"evaluated in {tacit('evaluate', run, data, '--task', 'few-label,linear')} s")
    evaluation: dict[str, Any] = json.loads((run / "evaluation.json").read_text())
    return evaluation


def table(method: str, found: dict[str, dict[str, Any]], key: tuple[str, Any]) -> str:
    """One line a set: the encoder with its interval, and every floor without."""
    lines = []
    for name, evaluation in found.items():
        rows = {result["row"]: result["kind"] for result in evaluation["results"]}
        encoder = next(row for row, kind in rows.items() if kind == "encoder")
        metric = ("linear", "all") if key[0] == "linear" else few(numbers(evaluation, encoder), FEW)
        values = [numbers(evaluation, row).get(metric) for row in ROWS]
        own = cell(numbers(evaluation, encoder)[metric])
        lines.append([name, own, *(f"{value['value']:.3f}" if value else "" for value in values)])
    title = "all labels" if key[0] == "linear" else f"{FEW} labels per class"
    return markdown([title, method, *ROWS], lines)


def few(results: dict[tuple[str, str], Any], count: int) -> tuple[str, str]:
    """The metric of `count` labels per class."""
    return next(key for key in results if key[0] == "few-label" and key[1].split("=")[-1] == str(count))


if __name__ == "__main__":
    main()
