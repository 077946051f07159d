"""Every method on every kind of data that it runs on: the matrix of the README.

    python benchmarks/matrix_cpu.py --write                    all cells, about a minute each; goes on where it stopped
    python benchmarks/matrix_cpu.py --sets texts.jsonl         other labelled data

Protocol: `--time` (45 s) of training by the method's own default recipe for this kind of data, the last step's encoder,
logistic regression on frozen features with ten labels per class, mean of 20 paired draws, the set's own test part (of
SUBJ a fifth, drawn by hash). A cell: the encoder, in brackets the same network untrained (mean of three); bold where
the verdict is that it helped, which takes more than every floor. The last row is the best floor that needs no network.
Sets: photographs of flowers at 32 pixels (2,934 and 736), SUBJ (sentences: opinions and plots), spoken digits of a
speaker never heard, GunPoint (motions of a hand); looked up in $TACIT_DATA. A method without a cell asks for what this
kind of data does not have.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from fsdd_cpu import without
from tables import ROOT, markdown, put, tacit
from texts_cpu import SETS

from tacit.methods import METHODS
from tacit.settings import modality_of

PER_CLASS = 10
SPEAKER = "theo"
SETTINGS = {"flowers": ("--set", "modality.size=32")}
"""What a set is read with, beside the defaults."""
OF_NETWORKS = ("encoder", "untrained", "scratch")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sets", nargs="*", default=None, help="labelled data, one of a kind")
    arguments.add_argument("--methods", nargs="*", default=list(METHODS))
    arguments.add_argument("--time", default="45s")
    arguments.add_argument("--runs", type=Path, default=Path("runs/matrix_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into README.md")
    given = arguments.parse_args()
    sets = given.sets or usual(given.runs)
    found = {(method, data): judged(method, data, given.runs, given.time) for data in sets for method in given.methods}
    rows = [[f"`{method}`", *(cell(found[method, data]) for data in sets)] for method in given.methods]
    rows = [row for row in rows if any(row[1:])]
    rows.append(["*best floor*", *(best([found[method, data] for method in given.methods]) for data in sets)])
    titles = [f"{modality_of(data).unit}: {Path(data).stem}" for data in sets]
    text = markdown(["method", *titles], rows)
    print(text)
    if given.write:
        put("matrix_cpu", text, ROOT / "README.md")


def usual(runs: Path) -> list[str]:
    """Flowers, SUBJ and spoken digits, these two written as tables, and GunPoint."""
    home = Path(os.environ["TACIT_DATA"])
    _, read = SETS["subj"]
    runs.mkdir(parents=True, exist_ok=True)
    texts = runs / "subj.jsonl"
    lines = ({"text": text, "label": label, "split": part} for text, label, part in read(home / "text" / "subj"))
    texts.write_text("".join(json.dumps(line) + "\n" for line in lines))
    recordings = (home / "audio" / "fsdd" / "recordings").resolve()
    digits = without(SPEAKER, sorted(path for path in recordings.iterdir() if path.suffix == ".flac"), runs)
    return [
        str(home / "images" / "flowers"),
        str(texts),
        str(digits),
        str(home / "time_series" / "ucr_uea" / "GunPoint"),
    ]


def judged(method: str, data: str, runs: Path, time: str) -> dict[str, Any] | None:
    """What `tacit evaluate` found of a method on a set; None where it does not run."""
    kind, modality = METHODS[method], modality_of(data)
    if kind.needs(kind.Config()) - modality.offers:
        return None
    run = runs / f"{Path(data).stem}-{method}"
    budget = ("--time", time) if method != "patches" else ()
    try:
        if not (run / "encoder" / "model.safetensors").is_file():
            tacit("train", data, "--method", method, *budget, *SETTINGS.get(Path(data).stem, ()), "--out", run)
        if not (run / "evaluation.json").is_file():
            tacit("evaluate", run, data, "--task", "few-label", "--labels", PER_CLASS * classes(data))
    except subprocess.CalledProcessError as error:
        sys.exit(f"{method} on {data}: exit code {error.returncode}")
    evaluation: dict[str, Any] = json.loads((run / "evaluation.json").read_text())
    return evaluation


def cell(evaluation: dict[str, Any] | None) -> str:
    """The encoder's figure, bold where it helped, and that of its network untrained."""
    if evaluation is None:
        return ""
    own, *others = (each for each in evaluation["results"] if each["task"] == "few-label")
    floors = [each["value"] for each in others if each["kind"] == "untrained"]
    beside = f" ({floors[0]:.3f})" if floors else ""
    number = f"{own['value']:.3f} [{own['low']:.3f}, {own['high']:.3f}]"
    return f"{f'**{number}**' if evaluation['verdict']['helped'] else number}{beside}"


def best(evaluations: list[dict[str, Any] | None]) -> str:
    """The best of what needs no network, and its name."""
    floors = {
        each["row"]: each["value"]
        for evaluation in evaluations
        if evaluation is not None
        for each in evaluation["results"]
        if each["task"] == "few-label" and each["kind"] not in OF_NETWORKS
    }
    name = max(floors, key=floors.__getitem__)
    return f"{floors[name]:.3f}, {name}"


def classes(data: str) -> int:
    """How many classes a set has."""
    from tacit.data.dataset import open_dataset

    modality = modality_of(data)
    return len(open_dataset(data, modality, modality.config()).classes)


if __name__ == "__main__":
    main()
