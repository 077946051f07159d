"""Every method on every kind of data that it runs on: the matrix of the README.

    python benchmarks/matrix_cpu.py --write                    all cells, about a minute each; goes on where it stopped
    python benchmarks/matrix_cpu.py --sets texts.jsonl         other labelled data

Protocol: `--time` (45 s) of training on two cores by the method's own default recipe for this kind of data, the last
step's encoder, logistic regression on frozen features with ten labels per class, mean of 20 paired draws, the set's own
test part (of SUBJ a fifth, drawn by hash). Beside each figure that of the same network untrained (mean of three). Sets:
CIFAR-10, SUBJ (sentences: opinions and plots), spoken digits of a speaker never heard, GunPoint (motions of a hand);
looked up in $TACIT_DATA. A method that has no cell in a column asks for something that the kind of data does not have.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from fsdd_cpu import without
from tables import ROOT, markdown, put, tacit
from texts_cpu import SETS

from tacit.methods import METHODS
from tacit.settings import modality_of

PER_CLASS = 10
SPEAKER = "theo"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sets", nargs="*", default=None, help="labelled data, one of a kind")
    arguments.add_argument("--methods", nargs="*", default=list(METHODS))
    arguments.add_argument("--time", default="45s")
    arguments.add_argument("--runs", type=Path, default=Path("runs/matrix_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into README.md")
    given = arguments.parse_args()
    sets = given.sets or usual(given.runs)
    cells = {(method, data): cell(method, data, given.runs, given.time) for data in sets for method in given.methods}
    rows = [[f"`{method}`", *(cells[method, data] for data in sets)] for method in given.methods]
    rows = [row for row in rows if any(row[1:])]
    titles = [f"{modality_of(data).unit}: {Path(data).stem}" for data in sets]
    text = markdown(["method", *titles], rows)
    print(text)
    if given.write:
        put("matrix_cpu", text, ROOT / "README.md")


def usual(runs: Path) -> list[str]:
    """CIFAR-10, SUBJ and spoken digits, these two written as tables, and GunPoint."""
    home = Path(os.environ["TACIT_DATA"])
    _, read = SETS["subj"]
    runs.mkdir(parents=True, exist_ok=True)
    texts = runs / "subj.jsonl"
    lines = ({"text": text, "label": label, "split": part} for text, label, part in read(home / "text" / "subj"))
    texts.write_text("".join(json.dumps(line) + "\n" for line in lines))
    recordings = (home / "audio" / "fsdd" / "recordings").resolve()
    digits = without(SPEAKER, sorted(path for path in recordings.iterdir() if path.suffix == ".flac"), runs)
    return ["cifar10", str(texts), str(digits), str(home / "time_series" / "ucr_uea" / "GunPoint")]


def cell(method: str, data: str, runs: Path, time: str) -> str:
    """The figure of a method on a set and, in brackets, that of its network untrained; empty where it does not run."""
    kind, modality = METHODS[method], modality_of(data)
    if kind.needs(kind.Config()) - modality.offers:
        return ""
    run = runs / f"{Path(data).stem}-{method}"
    budget = ("--time", time) if method != "patches" else ()
    try:
        if not (run / "encoder" / "model.safetensors").is_file():
            tacit("train", data, "--method", method, *budget, "--out", run)
        if not (run / "evaluation.json").is_file():
            tacit("evaluate", run, data, "--task", "few-label", "--labels", PER_CLASS * classes(data))
    except subprocess.CalledProcessError as error:
        sys.exit(f"{method} on {data}: exit code {error.returncode}")
    found = json.loads((run / "evaluation.json").read_text())
    own, *others = (each for each in found["results"] if each["task"] == "few-label")
    floors = [each["value"] for each in others if each["kind"] == "untrained"]
    beside = f" ({floors[0]:.3f})" if floors else ""
    return f"{own['value']:.3f} [{own['low']:.3f}, {own['high']:.3f}]{beside}"


def classes(data: str) -> int:
    """How many classes a set has."""
    from tacit.data.dataset import open_dataset

    modality = modality_of(data)
    return len(open_dataset(data, modality, modality.config()).classes)


if __name__ == "__main__":
    main()
