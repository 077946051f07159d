"""Ten activities from an accelerometer at the wrist on a CPU: people who were never seen, few labelled recordings.

    python benchmarks/wrist_cpu.py                      pre-training of STEPS, then the judgement
    python benchmarks/wrist_cpu.py --write              the table of what was measured into docs/series.md

The recordings (HMP, 32 Hz, three axes) are looked up in $TACIT_DATA. Protocol: people f3, f4, m2, m5 and m9 for
testing, pre-training on all others, whatever they do; windows of 4 s, a window every 2 s; of the 14 activities those
that testing can judge (more than one recording); 1, 3 and 10 labelled recordings per class with all of their windows,
the mean of 20 paired draws; balanced accuracy of windows, 95 % intervals over recordings and draws. A run that is there
already is not repeated.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from tables import ROOT, cell, markdown, numbers, put, tacit

RATE, SECONDS = 32, 4
CODES = 63
"""The largest value as it is stored: 1.5 g; 0 stands for -1.5 g."""
SETTINGS = (
    "modality.name=series",
    f"modality.window={RATE * SECONDS}",
    "modality.strong.rotate=45",
    "modality.strong.crop=[0.5,1]",
    "modality.strong.speed=[0.5,1.2]",
    "modality.strong.scale=[0.8,1.25]",
    "modality.strong.jitter=0.2",
    "modality.strong.warp=0",
    "modality.strong.shift=0",
    "modality.strong.masks=0",
    "method.positive=next",
    "encoder.name=fcn",
    "optimiser.lr=0.002",
)
SIZES = (1, 3, 10)
ROWS = ("untrained", "statistics", "spectrum", "raw values", "1-NN Euclid")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = Path(os.environ.get("TACIT_DATA", ".")) / "time_series/hmp_adl"
    arguments.add_argument("--data", type=Path, default=data)
    arguments.add_argument("--steps", type=int, default=400)
    arguments.add_argument("--runs", type=Path, default=Path("runs/wrist_cpu"))
    arguments.add_argument("--write", action="store_true")
    given = arguments.parse_args()
    evaluation = measured(given)
    text = table(evaluation)
    print(text)
    print(evaluation["verdict"]["sentence"])
    if given.write:
        put("wrist_cpu", text, ROOT / "docs" / "series.md")


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """The evaluation, made where it is not there yet."""
    run, wrists = given.runs / f"{given.steps}", given.runs / "wrists.csv"
    given.runs.mkdir(parents=True, exist_ok=True)
    classes = listed(given.data, wrists)
    if not (run / "encoder" / "model.safetensors").is_file():
        words = ["--method", "simclr", *(word for setting in SETTINGS for word in ("--set", setting))]
        print(f"trained in {tacit('train', wrists, *words, '--steps', given.steps, '--out', run)} s")
    if not (run / "balanced.json").is_file():
        labels = ",".join(str(size * classes) for size in SIZES)
        how = ("--task", "few-label", "--labels", labels, "--metric", "balanced")
        print(f"evaluated in {tacit('evaluate', run, wrists, *how)} s")
    evaluation: dict[str, Any] = json.loads((run / "balanced.json").read_text())
    return evaluation


def listed(data: Path, out: Path) -> int:
    """Write the recordings in g, about which axes turn, and their list, with labels for the classes that can be judged.

    Returns how many these are.
    """
    rows = list(csv.DictReader((data / "split.csv").read_text().splitlines()))
    tested = Counter(row["label"] for row in rows if row["split"] == "test")
    judged = {label for label, count in tested.items() if count > 1}
    lines = ["path,label,group,split"]
    for row in rows:
        name = Path(row["path"]).with_suffix(".npy").name
        codes = np.loadtxt(data / row["path"], dtype=np.float32)
        (out.parent / "wrists").mkdir(exist_ok=True)
        np.save(out.parent / "wrists" / name, 3 * codes / CODES - 1.5)
        label = row["label"] if row["label"] in judged else ""
        lines.append(f"wrists/{name},{label},{name.removesuffix('.npy').rpartition('-')[2]},{row['split']}")
    out.write_text("\n".join(lines) + "\n")
    return len(judged)


def table(evaluation: dict[str, Any]) -> str:
    """One line a number of labelled recordings: the encoder with its interval, and every floor without."""
    encoder = next(result["row"] for result in evaluation["results"] if result["kind"] == "encoder")
    lines = []
    for metric, size in zip(metrics(evaluation, encoder), SIZES, strict=True):
        floors = [numbers(evaluation, row).get(metric) for row in ROWS]
        own = cell(numbers(evaluation, encoder)[metric])
        lines.append([str(size), own, *(f"{value['value']:.3f}" if value else "" for value in floors)])
    return markdown(["labelled recordings per class", encoder, *ROWS], lines)


def metrics(evaluation: dict[str, Any], row: str) -> list[tuple[str, str]]:
    """The metrics of few labels, in rising order."""
    return [key for key in numbers(evaluation, row) if key[0] == "few-label"]


if __name__ == "__main__":
    main()
