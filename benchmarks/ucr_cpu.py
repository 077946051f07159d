"""Five sets of the UCR and UEA archives on a CPU, a minute of training each: few labels and all beside all floors.

    python benchmarks/ucr_cpu.py                        150 steps a set, method and seed, then the judgement
    python benchmarks/ucr_cpu.py --sets GunPoint        one set
    python benchmarks/ucr_cpu.py --write                the table of what was measured into docs/series.md

The archives are looked up in $TACIT_DATA. Protocol: the published split; learning from its training part without labels
by the default recipes, seed by seed, the last step's encoder; logistic regression on frozen features, few labels as the
mean of 20 paired draws. Numbers are means over seeds, their 95 % intervals over test series and draws; those of the
mean over sets are Student's t over seeds. MiniRocket takes aeon. Runs that are there already are not repeated.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t as student
from tables import ROOT, markdown, numbers, put, tacit

SETS = ("GunPoint", "ItalyPowerDemand", "ArrowHead", "BasicMotions", "ACSF1")
FLOORS = ("untrained", "raw values", "statistics", "spectrum", "1-NN Euclid", "1-NN DTW", "MiniRocket")
FEW = 5
"""Labels per class of the first table."""
Found = dict[str, dict[str, list[dict[str, Any]]]]
"""Set -> method -> the evaluation of each seed."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=Path(os.environ.get("TACIT_DATA", ".")) / "time_series/ucr_uea")
    arguments.add_argument("--sets", default=",".join(SETS))
    arguments.add_argument("--steps", type=int, default=150)
    arguments.add_argument("--methods", default="simclr,ts2vec")
    arguments.add_argument("--seeds", default="0,1,2,3,4")
    arguments.add_argument("--runs", type=Path, default=Path("runs/ucr_cpu"))
    arguments.add_argument("--write", action="store_true")
    given = arguments.parse_args()
    methods, seeds = given.methods.split(","), given.seeds.split(",")
    found = {
        name: {method: [measured(name, method, seed, given) for seed in seeds] for method in methods}
        for name in given.sets.split(",")
    }
    text = "\n".join(table(found, methods, few) for few in (True, False))
    print(text)
    for name, by_method in found.items():
        for method, evaluations in by_method.items():
            print(f"{name}, {method}: {evaluations[0]['verdict']['sentence']}")
    if given.write:
        put("ucr_cpu", text, ROOT / "docs" / "series.md")


def measured(name: str, method: str, seed: str, given: argparse.Namespace) -> dict[str, Any]:
    """The evaluation of one run, made where it is not there yet."""
    run, data = given.runs / f"{name}-{method}-{seed}", given.data / name
    if not (run / "encoder" / "model.safetensors").is_file():
        words = ("--method", method, "--steps", given.steps, "--seed", seed, "--out", run)
        print(f"trained in {tacit('train', data, *words)} s")
    if not (run / "evaluation.json").is_file():
        print(f"evaluated in {tacit('evaluate', run, data, '--task', 'few-label,linear')} s")
    evaluation: dict[str, Any] = json.loads((run / "evaluation.json").read_text())
    return evaluation


def table(found: Found, methods: list[str], few: bool) -> str:
    """One line a set and one of their mean: each method with intervals, and every floor without."""
    lines = []
    for name, by_method in found.items():
        own = [average([of_method(each, few) for each in by_method[method]]) for method in methods]
        floors = [result(by_method[methods[0]][0], row, few) for row in FLOORS]
        lines.append([name, *own, *(f"{floor['value']:.3f}" if floor else "" for floor in floors)])
    last = ["mean"]
    for method in methods:
        seeds = zip(*(by_method[method] for by_method in found.values()), strict=True)
        last.append(certain([fmean(of_method(each, few)["value"] for each in one) for one in seeds]))
    for row in FLOORS:
        values = [result(by_method[methods[0]][0], row, few) for by_method in found.values()]
        last.append(f"{fmean(value['value'] for value in values if value):.3f}" if all(values) else "")
    title = f"{FEW} labels per class" if few else "all labels"
    return markdown([title, *methods, *FLOORS], [*lines, last])


def of_method(evaluation: dict[str, Any], few: bool) -> dict[str, Any]:
    """What the encoder itself reached."""
    encoder = next(each["row"] for each in evaluation["results"] if each["kind"] == "encoder")
    own = result(evaluation, encoder, few)
    assert own is not None
    return own


def result(evaluation: dict[str, Any], row: str, few: bool) -> dict[str, Any] | None:
    """The accuracy of one row by few labels or by all; None where it was left out."""
    told = numbers(evaluation, row)
    wanted = (key for key in told if key[0] == "few-label" and key[1].split("=")[-1] == str(FEW))
    return told.get(next(wanted, ("", "")) if few else ("linear", "all"))


def average(results: list[dict[str, Any]]) -> str:
    """The mean over seeds, and of their intervals."""
    value, low, high = (fmean(each[name] for each in results) for name in ("value", "low", "high"))
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def certain(values: list[float]) -> str:
    """The mean of some seeds' figures with its 95 % interval by Student's t; without one for a single seed."""
    if len(values) < 2:
        return f"{values[0]:.3f}"
    reach = student.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return f"{fmean(values):.3f} [{fmean(values) - reach:.3f}, {fmean(values) + reach:.3f}]"


if __name__ == "__main__":
    main()
