"""Methods that gain nothing in 45 seconds, given more time and what they are made for: a table of docs/choosing.md.

    python benchmarks/worth_cpu.py --beside 2 --write      all cases, two at a time: some 35 minutes of two cores
    python benchmarks/worth_cpu.py --methods mixup         those of some methods

Protocol: each case of `CASES` learns for its minutes on one thread, by the method's default recipe but for the settings
that are named; the last step's encoder, judged on the set's own test part beside three untrained networks of its
architecture and all floors. A gain is the encoder's figure less their mean, or the other way round where less is
better, with a 95 % interval over test samples, episodes or blocks of hours, which do not know how far networks are
apart before they learn. So it is bold where all of it is above 0 and each of the three is behind, and the very weights
that the run began with, too (`its start`). Every figure that was looked at stands in the table.

- SUBJ, TREC, ArrowHead: as in choice_cpu.py and ucr_cpu.py; 10 labels per class are 20 paired draws.
- ETTh1: windows of 128 hours of one channel, the mean squared error of what comes next, as in etth1_cpu.py.
- HMP: an accelerometer at the wrist, people who were never seen, 3 and 10 labelled recordings per class, balanced
  accuracy, windows and network as in wrist_cpu.py.
- CartPole: frames and network as in cartpole_cpu.py. What is done moves a cart only two steps later, so each action is
  done twice: of two frames that follow each other the action can then be told. R2 of the state, and of each of its
  four numbers, since an action changes speeds first.
- Acrobot: frames at 64 pixels, each action done twice, for twice as many episodes of as many frames; R2 of the state.

Sets are looked up in $TACIT_DATA, the last two are played. Figures are kept in `--results`, case by case, with the
processor; a run that was broken off is begun anew.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cartpole_cpu
import etth1_cpu
import wrist_cpu
from courses import keeping
from harness import machine
from matrix_cpu import PER_CLASS, Column, best_floor, classes, played, series, texts
from matrix_images import number, side_by_side
from tables import ROOT, markdown, numbers, put, tacit

from tacit.atomic import write
from tacit.encoder import load
from tacit.evaluation.direction import sign
from tacit.evaluation.features import settle

Found = dict[str, Any]
Key = tuple[str, str]
"""Task and metric, as an evaluation has them."""


@dataclass(frozen=True)
class Exam:
    """One call of `tacit evaluate`."""

    told: Mapping[Key, str]
    """What of it is told, and what that is called."""
    words: tuple[object, ...]
    found: str = "evaluation.json"
    """The file that it writes."""


@dataclass(frozen=True)
class Place:
    """A set, and how encoders of it are judged."""

    column: Column
    exam: Exam
    judge: str = ""
    """What is judged on, where that is another file than is learnt from."""


@dataclass(frozen=True)
class Case:
    """A method that learns on a set."""

    method: str
    place: str
    minutes: float
    settings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Unlike those of all others, as a folder, too."""
        return f"{self.method}-{self.place}-{self.minutes:g}"


CASES = (
    Case("electra", "SUBJ", 5),
    Case("electra", "TREC", 4),
    Case("ts2vec", "ETTh1", 6, ("encoder.causal=true",)),
    Case("ts2vec", "ArrowHead", 3),
    Case("mixup", "HMP", 5, ("encoder.name=fcn", "optimiser.lr=0.002")),
    Case("mixup", "ArrowHead", 3),
    *(
        Case(method, place, minutes)
        for place, minutes in (("CartPole", 2), ("Acrobot", 2.5))
        for method in ("st-dim", "inverse-dynamics", "forward-model", "spr", "rnd")
    ),
)


def main() -> None:
    methods = list(dict.fromkeys(case.method for case in CASES))
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--methods", nargs="*", default=methods, choices=methods)
    arguments.add_argument("--sets", nargs="*", default=list(PLACES), choices=PLACES)
    arguments.add_argument("--minutes", type=float, help="of training, in place of each case's own")
    arguments.add_argument("--beside", type=int, default=1, help="cases at the same time, each on a core of its own")
    arguments.add_argument("--runs", type=Path, default=Path("runs/worth_cpu"))
    arguments.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "worth_cpu.json")
    arguments.add_argument("--write", action="store_true", help="put the table into docs/choosing.md")
    given = arguments.parse_args()
    given.runs.mkdir(parents=True, exist_ok=True)
    found: Found = json.loads(given.results.read_text()) if given.results.is_file() else {}
    asked = [case for case in CASES if case.method in given.methods and case.place in given.sets]
    cases = [replace(case, minutes=given.minutes or case.minutes) for case in asked]
    failed = measure([case for case in cases if case.name not in found], found, given)
    text = table(found)
    print(text)
    if given.write:
        put("worth_cpu", text, ROOT / "docs" / "choosing.md")
    if failed:
        sys.exit(f"failed, and tried again at the next start: {', '.join(failed)}")


def measure(cases: Sequence[Case], found: Found, given: argparse.Namespace) -> list[str]:
    """Train and judge; each case is kept as it comes. Returns the names of those that failed."""
    places = {name: PLACES[name](given.runs) for name in dict.fromkeys(case.place for case in cases)}
    jobs = {case.name: partial(one, case, places[case.place], given.runs) for case in cases}
    failed = []
    for name, outcome in side_by_side(jobs, given.beside, 1):
        if isinstance(outcome, int):
            print(f"{name}: exit code {outcome}", flush=True)
            failed.append(name)
            continue
        found[name] = outcome
        lines = ",\n".join(f"{json.dumps(case)}: {json.dumps(each)}" for case, each in found.items())
        write(given.results, f"{{\n{lines}\n}}\n".encode(), given.results.with_name(given.results.name + ".tmp"))
    return failed


def one(case: Case, place: Place, runs: Path) -> Found:
    """What is found of a case, trained and judged in processes of its own."""
    run, data = runs / case.name, place.column.data
    noted, kept = run / "seconds.json", run / "checkpoints"
    if not noted.is_file():
        shutil.rmtree(run, ignore_errors=True)
        sets = [word for setting in ("threads=1", *case.settings) for word in ("--set", setting)]
        words = ("--method", case.method, "--time", f"{60 * case.minutes:g}s", *place.column.read, *sets, "--out", run)
        with keeping(kept, True):
            noted.write_text(json.dumps(tacit("train", data, *words)))
    if not (run / "start" / "model.safetensors").is_file():
        begun(kept / "kept-00000000.safetensors", data, run / "start")
    told = []
    for encoder in (run, run / "start"):
        if not (encoder / place.exam.found).is_file():
            tacit("evaluate", encoder, place.judge or data, *place.exam.words, "--out", encoder)
        told.append(json.loads((encoder / place.exam.found).read_text()))
    return {
        "method": case.method,
        "set": place.column.title or place.column.name,
        "minutes": case.minutes,
        "steps": json.loads((run / "encoder" / "config.json").read_text())["training"]["steps"],
        "seconds": json.loads(noted.read_text()),
        "settings": case.settings,
        "figures": list(gains(told[0], told[1], place.exam.told)),
        "machine": machine(),
    }


def begun(checkpoint: Path, data: str, out: Path) -> None:
    """Save the encoder that a run began with, its BatchNorm fitted to the data, as that of all untrained ones is."""
    encoder = load(checkpoint)
    settle(encoder.network, encoder.open(data).part("train"), device=encoder.device)
    encoder.save(out)


def gains(evaluation: Found, start: Found, told: Mapping[Key, str]) -> Iterator[Found]:
    """Each figure that is told: the encoder's, what it had at its own `start`, that of untrained networks, what is
    gained on these, and the best floor."""
    name = next(each["row"] for each in evaluation["results"] if each["kind"] == "encoder")
    own, first = numbers(evaluation, name), numbers(start, name)
    before = numbers(evaluation, "untrained")
    gained = {(each["task"], each["metric"]): each for each in evaluation["differences"] if each["row"] == "untrained"}
    for key, title in told.items():
        floor = best_floor(each for each in evaluation["results"] if (each["task"], each["metric"]) == key)
        about = before[key]["protocol"]
        seeds = [first[key]["value"], *about.get("members", about.get("values"))]
        yield {
            "by": title,
            "encoder": _rounded(own[key]),
            "start": round(seeds[0], 5),
            "untrained": [round(value, 5) for value in (before[key]["value"], min(seeds[1:]), max(seeds[1:]))],
            "gain": _rounded(gained[key]),
            "beyond": gained[key]["low"] > 0 and all(sign(key[1]) * (own[key]["value"] - each) > 0 for each in seeds),
            "floor": [floor["row"], round(floor["value"], 5)] if floor else None,
        }


def _rounded(result: Mapping[str, Any]) -> list[float]:
    return [round(result[part], 5) for part in ("value", "low", "high")]


def _labelled(column: Column, *tasks: str) -> Place:
    """A set of classes."""
    few = PER_CLASS * classes(column.data)
    titles = {
        "knn": (("knn", "k=20"), "kNN"),
        "linear": (("linear", "all"), "linear, all labels"),
        "few-label": (("few-label", f"{few} in all"), f"{PER_CLASS} labels per class"),
    }
    return Place(column, Exam(dict(titles[task] for task in tasks), ("--task", ",".join(tasks), "--labels", few)))


def _texts(name: str) -> Callable[[Path], Place]:
    return lambda runs: _labelled(texts(name, runs), "knn", "linear", "few-label")


def _series(name: str) -> Callable[[Path], Place]:
    # of some forty series for training, 20 neighbours are no neighbours
    return lambda runs: _labelled(series(name), "linear", "few-label")


def _forecasts(runs: Path) -> Place:
    etth1_cpu.divide(_home("time_series", "ett", "ETTh1.csv"), runs)
    column = Column(str(runs / "windows.npy"), "ETTh1", read=("--set", "modality.name=series"))
    told = {("forecast", f"MSE, {hours} steps"): f"MSE, {hours} h (less is better)" for hours in (24, 48)}
    exam = Exam(told, ("--task", "forecast", "--horizons", "24,48"), "forecast.json")
    return Place(column, exam, str(runs / "ETTh1.csv"))


def _wrists(runs: Path) -> Place:
    count = wrist_cpu.listed(_home("time_series", "hmp_adl"), runs / "wrists.csv")
    window = wrist_cpu.RATE * wrist_cpu.SECONDS
    read = ("--set", "modality.name=series", "--set", f"modality.window={window}")
    totals = {size * count: f"{size} labelled recordings per class" for size in (3, 10)}
    told = {("few-label", f"{total} in all, balanced"): title for total, title in totals.items()}
    words = ("--task", "few-label", "--labels", ",".join(map(str, totals)), "--metric", "balanced")
    return Place(Column(str(runs / "wrists.csv"), "HMP", read=read), Exam(told, words, "balanced.json"))


def _home(*parts: str) -> Path:
    return Path(os.environ["TACIT_DATA"]).joinpath(*parts)


STATE = Exam({("state", "mean R2"): "R2 of the state"}, ("--task", "state"), "state.json")
CART = {
    ("state", f"state.{place}, R2"): f"R2 of {what}"
    for place, what in enumerate(("the cart's place", "the cart's speed", "the pole's angle", "the pole's speed"))
}


def _cartpole(runs: Path) -> Place:
    column = played(cartpole_cpu.ENV, runs, pixels=cartpole_cpu.SIDE, repeat=cartpole_cpu.REPEAT, steps=10_000)
    settings = [f"encoder.{name}={value}" for name, value in cartpole_cpu.ENCODER.items()]
    read = tuple(word for setting in settings for word in ("--set", setting))
    return Place(replace(column, read=read), replace(STATE, told={**STATE.told, **CART}))


def _acrobot(runs: Path) -> Place:
    return Place(played("Acrobot-v1", runs, repeat=2, steps=12_000), STATE)


PLACES: Mapping[str, Callable[[Path], Place]] = {
    "SUBJ": _texts("subj"),
    "TREC": _texts("trec"),
    "ETTh1": _forecasts,
    "ArrowHead": _series("ArrowHead"),
    "HMP": _wrists,
    "CartPole": _cartpole,
    "Acrobot": _acrobot,
}
"""Name -> the set, given the folder of runs."""


def table(found: Mapping[str, Found]) -> str:
    """A row a figure, method by method, and which methods gain beyond chance by one of them."""
    order = list(dict.fromkeys(case.method for case in CASES))
    rows, won = [], dict[str, bool]()
    for case in sorted(found.values(), key=lambda case: order.index(case["method"])):
        name = case["method"]
        start = [f"`{name}`", case["set"], f"{case['minutes']:g} min, {case['steps']:,} steps"]
        for each in case["figures"]:
            won[name] = won.get(name, False) or each["beyond"]
            gain = "{:+.3f} [{:+.3f}, {:+.3f}]".format(*each["gain"])
            before = "{:.3f} ({:.3f} to {:.3f})".format(*each["untrained"])
            floor = f"{each['floor'][1]:.3f}, {each['floor'][0]}" if each["floor"] else ""
            own = (number(each["encoder"]), f"{each['start']:.3f}", before)
            rows.append([*start, each["by"], *own, f"**{gain}**" if each["beyond"] else gain, floor])
            start = ["", "", ""]
    header = ["method", "set", "learnt for", "judged by", "encoder", "its start", "untrained", "gain", "best floor"]
    yes, no = (", ".join(f"`{name}`" for name in won if won[name] is gained) or "none" for gained in (True, False))
    return f"{markdown(header, rows)}\nA gain in bold by one figure at least: {yes}; by none: {no}.\n"


if __name__ == "__main__":
    main()
