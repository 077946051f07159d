"""Every method on every kind of data that it runs on: the matrix of the README.

    python benchmarks/matrix_cpu.py --write                    all cells, about a minute each; goes on where it stopped
    python benchmarks/matrix_cpu.py --sets texts.jsonl         other labelled data

Protocol: `--time` (45 s) of training by the method's own default recipe for this kind of data, the last step's encoder,
the set's own test part. A cell: the encoder, in brackets the same network untrained (mean of three); bold where the
verdict is that it helped, which takes more than every floor. The last row is the best floor that needs no network.
Photographs of flowers at 32 pixels, SUBJ (sentences: opinions and plots), spoken digits of a speaker never heard and
GunPoint (motions of a hand): accuracy of logistic regression with ten labels per class, mean of 20 paired draws.
LastFM: NDCG@10 of each listener's last artist among all. CartPole, 6,000 steps of chance, as frames: mean R2 of linear
probes of its state. Sets are looked up in $TACIT_DATA. A method without a cell asks for what this kind of data does not
have, or makes no lists.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsdd_cpu import without
from tables import ROOT, called, markdown, put, tacit
from texts_cpu import SETS

from tacit.core import ClosedForm, Modality
from tacit.evaluation.direction import sign
from tacit.methods import METHODS
from tacit.modalities import MODALITIES
from tacit.settings import modality_of

PER_CLASS = 10
SPEAKER = "theo"
STEPS = 6_000
OF_NETWORKS = ("encoder", "untrained", "scratch")
REFUSED = 2
LISTING = ("masked-prediction", "causal-prediction")
"""Methods whose encoders say what comes next; `tacit evaluate --task next-item` refuses all others."""
MIX = "mix"
"""The row that the encoder is a part of."""


@dataclass(frozen=True)
class Column:
    """A set, and how encoders of it are judged."""

    data: str
    title: str = ""
    """What it is called, where its file is not."""
    kind: str = ""
    """The name of the modality, where the files do not tell it."""
    read: tuple[str, ...] = ()
    """What `tacit train` is told of it, beside the defaults."""
    task: str = "few-label"
    metric: str = ""
    """The one that is shown; the only one of few labels."""

    @property
    def name(self) -> str:
        """Of the set."""
        return Path(self.data).stem

    @property
    def modality(self) -> Modality:
        """Of the set."""
        return MODALITIES[self.kind] if self.kind else modality_of(self.data)

    @property
    def found(self) -> str:
        """The file that `tacit evaluate` writes."""
        return "evaluation.json" if self.task == "few-label" else f"{self.task}.json"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sets", nargs="*", default=None, help="labelled data, one of a kind")
    arguments.add_argument("--methods", nargs="*", default=list(METHODS))
    arguments.add_argument("--time", default="45s")
    arguments.add_argument("--runs", type=Path, default=Path("runs/matrix_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into README.md")
    given = arguments.parse_args()
    given.runs.mkdir(parents=True, exist_ok=True)
    columns = [Column(data) for data in given.sets] if given.sets else usual(given.runs)
    found = {(method, at): judged(method, at, given.runs, given.time) for at in columns for method in given.methods}
    rows = [[called(method), *(cell(found[method, at], at) for at in columns)] for method in given.methods]
    rows = [row for row in rows if any(row[1:])]
    rows.append(["*best floor*", *(best([found[method, at] for method in given.methods], at) for at in columns)])
    titles = [f"{at.modality.unit}: {at.title or at.name}" for at in columns]
    text = markdown(["method", *titles], rows)
    print(text)
    if given.write:
        put("matrix_cpu", text, ROOT / "README.md")


def usual(runs: Path) -> list[Column]:
    """A set of each kind; sentences and digits are written as tables, CartPole is played."""
    home = Path(os.environ["TACIT_DATA"])
    recordings = (home / "audio" / "fsdd" / "recordings").resolve()
    digits = without(SPEAKER, sorted(path for path in recordings.iterdir() if path.suffix == ".flac"), runs)
    return [
        Column(str(home / "images" / "flowers"), read=("--set", "modality.size=32")),
        texts("subj", runs),
        Column(str(digits), "FSDD"),
        series("GunPoint"),
        Column(
            str(home / "interactions" / "s3rec" / "LastFM.txt"),
            kind="interactions",
            read=("--set", "modality.name=interactions"),
            task="next-item",
            metric="NDCG@10",
        ),
        played("CartPole-v1", runs),
    ]


def texts(name: str, runs: Path) -> Column:
    """A set of texts, written as a table."""
    title, read = SETS[name]
    data = runs / f"{name}.jsonl"
    lines = read(Path(os.environ["TACIT_DATA"]) / "text" / name)
    told = ({"text": text, "label": label, "split": part} for text, label, part in lines)
    data.write_text("".join(json.dumps(line) + "\n" for line in told))
    return Column(str(data), title)


def series(name: str) -> Column:
    """A set of the archives of series."""
    return Column(str(Path(os.environ["TACIT_DATA"]) / "time_series" / "ucr_uea" / name))


def played(world: str, runs: Path, *, pixels: int = 64, repeat: int = 1, steps: int = STEPS) -> Column:
    """Steps of chance as frames, each action done `repeat` times; a folder that is there already is played to its
    end."""
    out = runs / world.partition("-")[0]
    more = ("--resume",) if out.is_dir() else ()
    tacit("collect", world, "--pixels", pixels, "--repeat", repeat, "--steps", steps, "--out", out, *more)
    return Column(str(out), task="state", metric="mean R2")


def judged(method: str, column: Column, runs: Path, time: str) -> dict[str, Any] | None:
    """What `tacit evaluate` found of a method on a set; None where it does not run, or cannot be judged so."""
    kind, modality = METHODS[method], column.modality
    if kind.needs(kind.Config()) - modality.offers or (column.task == "next-item" and method not in LISTING):
        return None
    run = runs / f"{column.name}-{method}"
    budget = ("--time", time) if not issubclass(METHODS[method], ClosedForm) else ()
    try:
        if not (run / "encoder" / "model.safetensors").is_file():
            tacit("train", column.data, "--method", method, *budget, *column.read, "--out", run)
        if not (run / column.found).is_file():
            labels = ("--labels", PER_CLASS * classes(column.data)) if column.task == "few-label" else ()
            tacit("evaluate", run, column.data, "--task", column.task, *labels)
    except subprocess.CalledProcessError as error:
        if error.returncode == REFUSED:
            return None
        sys.exit(f"{method} on {column.name}: exit code {error.returncode}")
    evaluation: dict[str, Any] = json.loads((run / column.found).read_text())
    return evaluation


def results(evaluation: dict[str, Any], column: Column) -> list[dict[str, Any]]:
    """Those of the metric that is shown, the encoder's first."""
    told = [each for each in evaluation["results"] if each["task"] == column.task]
    return [each for each in told if column.metric in ("", each["metric"])]


def cell(evaluation: dict[str, Any] | None, column: Column) -> str:
    """The encoder's figure, bold where it helped, and that of its network untrained."""
    if evaluation is None:
        return ""
    own, *others = results(evaluation, column)
    floors = [each["value"] for each in others if each["kind"] == "untrained"]
    beside = f" ({floors[0]:.3f})" if floors else ""
    number = f"{own['value']:.3f} [{own['low']:.3f}, {own['high']:.3f}]"
    return f"{f'**{number}**' if evaluation['verdict']['helped'] else number}{beside}"


def best(evaluations: list[dict[str, Any] | None], column: Column) -> str:
    """The best of what needs no network, and its name; nothing where no method was judged."""
    found = best_floor(each for evaluation in evaluations if evaluation for each in results(evaluation, column))
    return f"{found['value']:.3f}, {found['row']}" if found else ""


def best_floor(told: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The best among results of one measure of what needs no network; None where there is nothing such."""
    floors = [each for each in told if each["kind"] not in OF_NETWORKS and each["row"] != MIX]
    return max(floors, key=lambda each: sign(each["metric"]) * each["value"], default=None)


def classes(data: str) -> int:
    """How many classes a set has."""
    from tacit.data.dataset import open_dataset

    modality = modality_of(data)
    return len(open_dataset(data, modality, modality.config()).classes)


if __name__ == "__main__":
    main()
