"""Anomalies in NAB's 58 series on a CPU: one encoder of windows, judged beside all floors.

    python benchmarks/nab_cpu.py            the table of series, the training, the judgement
    python benchmarks/nab_cpu.py --write    the table of what was measured into docs/series.md

NAB (numenta/NAB, MIT) is looked up in $TACIT_DATA. Protocol: the first 15 % of each series, 750 steps at most (NAB's
probation), are what is learnt from and what is normal; each series in deviations of that part about its mean; windows
of 64 steps; the last step's encoder; all other steps are scored and count, nothing is adjusted. NAB's labels are
windows around what went wrong, a tenth of a series in all. Runs that are there already are not repeated.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tables import ROOT, cell, markdown, numbers, put, tacit

SHARE, MOST = 0.15, 750
WINDOW, EVERY, STEPS = 64, 16, 60
METHOD = "ts2vec"
METRICS = ("VUS-PR", "VUS-ROC", "average precision")
FLOORS = ("untrained", "raw values", "level", "differences", "random")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=Path(os.environ.get("TACIT_DATA", ".")) / "time_series" / "nab")
    arguments.add_argument("--runs", type=Path, default=Path("runs/nab_cpu"))
    arguments.add_argument("--write", action="store_true")
    given = arguments.parse_args()
    given.runs.mkdir(parents=True, exist_ok=True)
    data, run = given.runs / "nab.csv", given.runs / METHOD
    if not data.is_file():
        write(given.data, data)
    if not (run / "encoder" / "model.safetensors").is_file():
        words = ("--set", f"modality.window={WINDOW}", "--set", f"modality.stride={EVERY}", "--method", METHOD)
        where = ("--set", "modality.name=series", "--steps", STEPS, "--set", "evaluations=0", "--out", run)
        print(f"trained in {tacit('train', data, *words, *where)} s")
    if not (run / "anomaly.json").is_file():
        print(f"evaluated in {tacit('evaluate', run, data, '--task', 'anomaly')} s")
    evaluation: dict[str, Any] = json.loads((run / "anomaly.json").read_text())
    text = table(evaluation)
    print(text)
    print(evaluation["verdict"]["sentence"])
    if given.write:
        put("nab_cpu", text, ROOT / "docs" / "series.md")


def write(home: Path, path: Path) -> None:
    """The 58 series as one table: series, time (the number of the row, since some repeat an hour), value, split,
    anomaly."""
    marked = json.loads((home / "labels" / "combined_windows.json").read_text())
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["series", "time", "value", "split", "anomaly"])
        for name in sorted(marked):
            writer.writerows(steps(name, home / "data" / name, marked[name]))


def steps(name: str, path: Path, windows: list[list[str]]) -> Iterator[list[object]]:
    """The rows of one series."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    x = np.array([row["value"] for row in rows], np.float64)
    first = min(int(SHARE * len(x)), MOST)
    mean, deviation = x[:first].mean(), x[:first].std()
    x = (x - mean) / (deviation if deviation > 1e-6 * abs(mean) else abs(mean) or 1.0)
    for step, (row, value) in enumerate(zip(rows, x, strict=True)):
        wrong = any(begin[:19] <= row["timestamp"] <= end[:19] for begin, end in windows)
        yield [name, step, f"{value:.6g}", "train" if step < first else "test", int(wrong)]


def table(evaluation: dict[str, Any]) -> str:
    """One line a row: the encoder, then its floors, each with its interval."""
    lines = []
    for row in (METHOD, *FLOORS):
        found = numbers(evaluation, row)
        lines.append([row, *(cell(found["anomaly", metric]) for metric in METRICS)])
    return markdown(["score", *METRICS], lines)


if __name__ == "__main__":
    main()
