"""Forecasts of ETTh1 on a CPU, two minutes of training an encoder: one ridge regression a horizon, beside all floors.

    python benchmarks/etth1_cpu.py                      both encoders, then the judgement
    python benchmarks/etth1_cpu.py --methods ts2vec     one of them
    python benchmarks/etth1_cpu.py --write              the table of what was measured into docs/series.md

ETTh1.csv is looked up in $TACIT_DATA. Protocol: 8,640 / 2,880 / 2,880 hours for training, validation and testing, the
rest unused, seven channels, standardised by the training part; learning from windows of 128 hours of the training part,
one begun every 16, of one channel at a time; the last step's encoder; every forecast counts whose hours all lie in the
test part. Runs that are there already are not repeated.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from tables import ROOT, cell, markdown, numbers, put, tacit

PARTS = (("train", 8_640), ("val", 11_520), ("test", 14_400))
"""Where each ends."""
WINDOW, EVERY = 128, 16
METHODS = {
    "ts2vec": ("--set", "encoder.causal=true", "--steps", "40"),
    "causal-prediction": ("--set", "method.ahead=6", "--steps", "400"),
}
ROWS = ("untrained", "ridge on lags", "seasonal", "last value")
HORIZONS = (24, 48, 168, 336, 720)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    home = Path(os.environ.get("TACIT_DATA", ".")) / "time_series" / "ett"
    arguments.add_argument("--data", type=Path, default=home / "ETTh1.csv")
    arguments.add_argument("--methods", default=",".join(METHODS))
    arguments.add_argument("--runs", type=Path, default=Path("runs/etth1_cpu"))
    arguments.add_argument("--write", action="store_true")
    given = arguments.parse_args()
    divide(given.data, given.runs)
    found = {name: measured(name, given.runs) for name in given.methods.split(",")}
    text = "\n".join(table(found, metric) for metric in ("MSE", "MAE"))
    print(text)
    for name, evaluation in found.items():
        print(f"{name}: {evaluation['verdict']['sentence']}")
    if given.write:
        put("etth1_cpu", text, ROOT / "docs" / "series.md")


def divide(data: Path, runs: Path) -> None:
    """The table, standardised, with a column `split`, and windows of its training part, where they are not there yet.

    Channels are standardised here, since they are told apart by nothing where each is read by itself.
    """
    runs.mkdir(parents=True, exist_ok=True)
    with data.open(newline="") as file:
        header, *rows = csv.reader(file)
    x = np.array([row[1:] for row in rows], np.float64)
    train = x[: PARTS[0][1]]
    x = (x - train.mean(axis=0)) / train.std(axis=0)
    if not (runs / "ETTh1.csv").is_file():
        with (runs / "ETTh1.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*header, "split"])
            for number, (row, values) in enumerate(zip(rows, x, strict=True)):
                part = next((part for part, end in PARTS if number < end), "")
                writer.writerow([row[0], *(f"{value:.6f}" for value in values), part])
    if not (runs / "windows.npy").is_file():
        starts = range(0, len(train) - WINDOW + 1, EVERY)
        windows = np.stack([x[start : start + WINDOW] for start in starts]).astype(np.float32)
        np.save(runs / "windows.npy", windows.transpose(2, 0, 1).reshape(-1, WINDOW, 1))


def measured(method: str, runs: Path) -> dict[str, Any]:
    """The evaluation of one encoder, made where it is not there yet."""
    run = runs / method
    if not (run / "encoder" / "model.safetensors").is_file():
        words = ("--set", "modality.name=series", "--method", method, *METHODS[method], "--out", run)
        print(f"trained in {tacit('train', runs / 'windows.npy', *words)} s")
    if not (run / "forecast.json").is_file():
        print(f"evaluated in {tacit('evaluate', run, runs / 'ETTh1.csv', '--task', 'forecast')} s")
    evaluation: dict[str, Any] = json.loads((run / "forecast.json").read_text())
    return evaluation


def table(found: dict[str, dict[str, Any]], metric: str) -> str:
    """One line a horizon: each encoder with its interval and its untrained network, then the other floors."""
    header = [metric]
    columns: list[tuple[dict[str, Any], str]] = []
    for name, evaluation in found.items():
        header += [name, "untrained"]
        columns += [(evaluation, name), (evaluation, "untrained")]
    any_of = next(iter(found.values()))
    header += ROWS[1:]
    columns += [(any_of, row) for row in ROWS[1:]]
    lines = []
    for horizon in HORIZONS:
        key = ("forecast", f"{metric}, {horizon} steps")
        results = [(row in METHODS, numbers(evaluation, row)[key]) for evaluation, row in columns]
        lines.append([f"{horizon} h", *(cell(each) if own else f"{each['value']:.3f}" for own, each in results)])
    return markdown(header, lines)


if __name__ == "__main__":
    main()
