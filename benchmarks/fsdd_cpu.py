"""Spoken digits of speakers never heard: each of six is left out in turn. Writes a table of docs/audio.md.

    python benchmarks/fsdd_cpu.py --write                     six times one minute of training, then the judgement
    python benchmarks/fsdd_cpu.py --method mae --write        by another method, into a table of its own
    python benchmarks/fsdd_cpu.py --data PLACE/recordings     files named DIGIT_SPEAKER_TAKE

The Free Spoken Digit Dataset is looked up in $TACIT_DATA. Protocol: everything, training without labels as well as the
probe, sees five speakers, and the sixth is the test part; frozen features, the last step's encoder, each test part used
once; the number is the mean over the six, the interval that of resampled recordings averaged over them. The published
split shares speakers and is solved by every row: it is no headline.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from pathlib import Path
from typing import Any

from tables import ROOT, markdown, numbers, put, tacit


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--time", default="60s")
    arguments.add_argument("--steps", type=int, help="in place of a time")
    arguments.add_argument("--method", default="simclr")
    arguments.add_argument("--preset")
    arguments.add_argument("--runs", type=Path, default=Path("runs/fsdd_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into docs/audio.md")
    given = arguments.parse_args()
    folder = given.data or Path(os.environ.get("TACIT_DATA", ".")) / "audio" / "fsdd" / "recordings"
    files = sorted(path for path in folder.resolve().iterdir() if path.suffix in (".flac", ".wav"))
    found = {}
    for speaker in sorted({path.stem.split("_")[1] for path in files}):
        listing = without(speaker, files, given.runs)
        run = given.runs / f"{given.method}{'-' + given.preset if given.preset else ''}-{speaker}"
        if not (run / "encoder" / "model.safetensors").is_file():
            budget = ("--steps", given.steps) if given.steps else ("--time", given.time)
            how = ("--method", given.method, *budget, *(("--preset", given.preset) if given.preset else ()))
            print(f"trained in {tacit('train', listing, *how, '--out', run)} s")
        if not (run / "evaluation.json").is_file():
            tasks = ("--task", "few-label,linear", "--labels", "50,200")
            print(f"evaluated in {tacit('evaluate', run, listing, *tasks)} s")
        found[speaker] = json.loads((run / "evaluation.json").read_text())
    text = table(found)
    print(text)
    if given.write:
        put("fsdd_cpu" if given.method == "simclr" else f"fsdd_cpu {given.method}", text, ROOT / "docs" / "audio.md")


def without(speaker: str, files: list[Path], folder: Path) -> Path:
    """A list of the recordings in which `speaker` is the test part: what a user writes, too."""
    folder.mkdir(parents=True, exist_ok=True)
    listing = folder / f"without_{speaker}.csv"
    with listing.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "group", "split"])
        for path in files:
            digit, own, _ = path.stem.split("_")
            writer.writerow([path, digit, own, "test" if own == speaker else "train"])
    return listing


def table(found: dict[str, dict[str, Any]]) -> str:
    """A row of the evaluation in each line: means over the speakers, then all labels speaker by speaker."""
    rows = []
    names = dict.fromkeys(result["row"] for result in next(iter(found.values()))["results"])
    for name in names:
        told = [numbers(evaluation, name) for evaluation in found.values()]
        alone = [f"{each['linear', 'all']['value']:.2f}" for each in told]
        rows.append([name, *(mean([each[column] for each in told]) for column in wanted(told)), *alone])
    return markdown(["", "5 labels", "20 labels", "all labels", *found], rows)


def wanted(told: list[dict[tuple[str, str], Any]]) -> list[tuple[str, str]]:
    """The columns of means: few labels in rising number, then all."""
    few = [key for key in told[0] if key[0] == "few-label"]
    return [*few, ("linear", "all")]


def mean(results: list[dict[str, Any]]) -> str:
    """The mean of independent estimates; intervals add as variances do."""
    count = len(results)
    value = sum(each["value"] for each in results) / count
    low = sum((each["value"] - each["low"]) ** 2 for each in results) ** 0.5 / count
    high = sum((each["high"] - each["value"]) ** 2 for each in results) ** 0.5 / count
    return f"{value:.3f} [{value - low:.3f}, {value + high:.3f}]"


if __name__ == "__main__":
    main()
