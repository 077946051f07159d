"""The race on a CPU: what each contender makes of CIFAR-10 in ten minutes of two cores, all included.

    python benchmarks/race_cpu.py --write                              one after the other, then docs/performance.md
    python benchmarks/race_cpu.py --cores 0-1,2-3,4-5,6-7              four beside each other, each on cores of its own
    python benchmarks/race_cpu.py --contenders patches manifold --minutes 5
    python benchmarks/race_cpu.py --contenders --figure race.png       nothing is run, what is known is drawn

A contender is a method with its settings, or several, one after the other, whose features stand side by side, those of
each of length one. Its time is that of its processes from their start on: `tacit train` on the 50,000 training images
without labels, which packs them first, and one that reads the encoders and computes the features of all 60,000 images.
Closed forms end by themselves; what learns by steps is given `--time`, about four fifths of the minutes, so that the
rest is left for packing and features. Afterwards, outside of that time, the features are judged as `tacit evaluate
--task knn,linear,ridge` does it, on the 10,000 test images, beside those of the untrained network. One over its minutes
is shown, and marked.

The data are $TACIT_DATA/images/cifar10.zip. Steps that are done are not done again: delete a contender's folder to do
so. Findings are merged into race_cpu.json, each as soon as it is there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any

from harness import machine
from tables import ROOT, cell, markdown, numbers, put

from tacit.core import ClosedForm
from tacit.heap import hold
from tacit.methods import METHODS

FOUND = Path(__file__).with_suffix(".json")
FLOOR = "untrained"
TASKS = {"knn": "k=20", "linear": "all", "ridge": "all"}
"""What is asked of features, and which of its results is shown."""
PATIENCE = 2
"""Times the time after which a contender is stopped."""


@dataclass(frozen=True)
class Contender:
    """A method, and what `tacit train` is told beside it."""

    method: str
    settings: tuple[str, ...] = ()
    share: float = 0.8
    """Of the time, what steps are given."""
    beside: tuple[Contender, ...] = ()
    """What learns afterwards, and says more about the same images."""

    @property
    def closed(self) -> bool:
        """Whether it ends by itself."""
        return issubclass(METHODS[self.method], ClosedForm)

    @property
    def title(self) -> str:
        """What it is called in the table."""
        own = " ".join([f"`{self.method}`", *(f"`{setting}`" for setting in self.settings)])
        return ", beside it ".join([own, *(each.title for each in self.beside)])

    @property
    def parts(self) -> tuple[Contender, ...]:
        """It, and those beside it."""
        return (self, *self.beside)

    def words(self, minutes: float) -> list[str]:
        """Of the command line."""
        told = [word for setting in self.settings for word in ("--set", setting)]
        budget = [] if self.closed else ["--time", f"{60 * minutes * self.share:.0f}s"]
        return ["--method", self.method, *told, *budget]


EVEN = ("optimiser.name=muon", "encoder.evened=0.75", "encoder.mirror=true", "method.temperature=0.1")
# with 1,024 numbers beside them about as many as ridge regression takes
FINE = ("encoder.filters=1700", "encoder.cells=3", "encoder.mirror=true")
CONTENDERS = {
    "simclr": Contender("simclr"),
    "simclr-muon": Contender("simclr", ("optimiser.name=muon",)),
    "simclr-even": Contender("simclr", EVEN, share=0.76),
    "simclr-even-1": Contender("simclr", (*EVEN, "seed=1"), share=0.76),
    "simclr-two": Contender("simclr", ("method.local=0",)),
    "simclr-16": Contender("simclr", ("method.local=0", "modality.strong.scale=0.5")),
    "patches": Contender("patches"),
    "patches-fine": Contender("patches", FINE),
    "patches-simclr": Contender("patches", FINE, beside=(Contender("simclr", EVEN, share=0.44),)),
    "patches-simclr-1": Contender(
        "patches", (*FINE, "seed=1"), beside=(Contender("simclr", (*EVEN, "seed=1"), share=0.44),)
    ),
    "manifold": Contender("manifold"),
    "manifold-even": Contender("manifold", ("encoder.evened=0.75",)),
    "manifold-1024": Contender("manifold", ("encoder.filters=1024",)),
    "manifold-4096": Contender("manifold", ("encoder.filters=4096",)),
    "manifold-dense": Contender("manifold", ("encoder.filters=1024", "encoder.stride=1", "encoder.evened=0.75")),
    "manifold-mirror": Contender("manifold", ("encoder.mirror=true", "encoder.evened=0.75")),
}


def main() -> None:
    given = arguments().parse_args()
    if given.judge:
        hold()  # as the program does
        print(json.dumps(judged(given.judge, given.data, given.since)))
        return
    cores: list[str | None] = given.cores.split(",") if given.cores else [None]
    free: SimpleQueue[str | None] = SimpleQueue()
    for each in cores:
        free.put(each)

    merging = Lock()

    def take_part(name: str) -> None:
        own = free.get()
        try:
            result = raced(name, own, given)
        finally:
            free.put(own)
        if result is not None:
            with merging:
                FOUND.write_text(json.dumps({**known_so_far(), name: result}, indent=1) + "\n")

    with ThreadPoolExecutor(len(cores)) as pool:
        list(pool.map(take_part, given.contenders))
    known = known_so_far()
    text = table(known)
    print(text)
    if given.write:
        put("race_cpu", text, ROOT / "docs" / "performance.md")
    if given.figure:
        draw(known, given.figure)


def known_so_far() -> dict[str, dict[str, Any]]:
    """Contender -> what it used and reached."""
    known: dict[str, dict[str, Any]] = json.loads(FOUND.read_text()) if FOUND.is_file() else {}
    return known


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = str(Path(os.environ.get("TACIT_DATA", ".")) / "images" / "cifar10.zip")
    parser.add_argument("--contenders", nargs="*", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cores", help="as for taskset, of each that runs beside others: 0-1,2-3")
    parser.add_argument("--data", default=default)
    parser.add_argument("--runs", type=Path, default=Path("runs/race_cpu"))
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("--figure", type=Path, help="draw accuracy against seconds")
    parser.add_argument("--judge", type=Path, nargs="+", metavar="RUN", help=argparse.SUPPRESS)
    parser.add_argument("--since", type=float, default=time.time(), help=argparse.SUPPRESS)
    return parser


def raced(name: str, cores: str | None, given: argparse.Namespace) -> dict[str, Any] | None:
    """What a contender used and reached; None where it did not come to an end, which is told."""
    contender, home = CONTENDERS[name], given.runs / name
    result, seconds = home / "result.json", home / "seconds.json"
    runs = [str(home / f"run-{number}") for number, _ in enumerate(contender.parts)]
    if not result.is_file():
        if not seconds.is_file():
            shutil.rmtree(home, ignore_errors=True)  # what was begun, and what was packed
            home.mkdir(parents=True)
            used = 0.0
            for part, run in zip(contender.parts, runs, strict=True):
                train = ["-m", "tacit", "train", given.data, *part.words(given.minutes), "--out", run]
                spent = process(train, cores, home, given)
                if spent is None:
                    return None
                used += spent
            seconds.write_text(json.dumps(round(used, 1)))
        judge = [__file__, "--judge", *runs, "--data", given.data, "--since", str(time.time())]
        if process(judge, cores, home, given) is None:
            return None
        found = json.loads((home / "out.txt").read_text().splitlines()[-1])
        train_seconds = json.loads(seconds.read_text())
        told = {"settings": contender.settings, "minutes": given.minutes, "threads": given.threads, **machine()}
        result.write_text(json.dumps({"train": train_seconds, **found, **told}, indent=1))
    whole: dict[str, Any] = json.loads(result.read_text())
    return whole


def process(words: Sequence[str], cores: str | None, home: Path, given: argparse.Namespace) -> float | None:
    """Seconds that Python took for these words on these cores; None, and the reason, where it failed.

    Each contender packs its images itself, and says what it says in its folder.
    """
    threads = {f"{library}_NUM_THREADS": str(given.threads) for library in ("OMP", "MKL", "OPENBLAS")}
    environment = {**os.environ, **threads, "TACIT_CACHE": str(home.resolve() / "cache")}
    pinned = ["taskset", "-c", cores] if cores else []
    training = words[0] == "-m"
    patience = PATIENCE * 60 * given.minutes if training else None
    print(f"{home.name}: {' '.join(map(str, words[2:] if training else words[1:]))}", flush=True)
    with (home / "out.txt").open("w") as out, (home / "err.txt").open("w") as err:
        started = time.monotonic()
        try:
            subprocess.run(
                [*pinned, sys.executable, *words], check=True, stdout=out, stderr=err, env=environment, timeout=patience
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(f"{home.name} did not come to an end: {error}\n{(home / 'err.txt').read_text()[-2000:]}", flush=True)
            return None
        return round(time.monotonic() - started, 1)


def judged(runs: Sequence[Path], data: str, since: float) -> dict[str, Any]:
    """kNN and linear probes on the features of runs, and the seconds up to these since `since` (Unix time).

    Beside them the same networks with random weights, out of time, where any learnt by steps.
    """
    import torch

    from tacit import interrupt
    from tacit.core import Encoder, Samples
    from tacit.encoder import load
    from tacit.evaluation.bench import Row, evaluate
    from tacit.proving.fitting import untrained
    from tacit.proving.labelled import bench_of
    from tacit.proving.proof import features_of

    seconds = [0.0]

    def learnt(samples: Samples) -> torch.Tensor:
        began = time.monotonic()
        found = side_by_side([each.network for each in encoders], samples)
        seconds.append(time.monotonic() - began)
        return found

    @cache
    def drawn() -> list[Encoder]:
        return [each.network if each.network.solved else untrained(each, bench.train, 0) for each in encoders]

    def random(samples: Samples) -> torch.Tensor:
        return side_by_side(drawn(), samples)

    @cache  # a closed form has a part in both rows
    def said_by(network: Encoder, samples: Samples) -> torch.Tensor:
        return features_of(network, samples, device=encoders[0].device, title="features")

    def side_by_side(networks: Sequence[Encoder], samples: Samples) -> torch.Tensor:
        said = [said_by(each, samples) for each in networks]
        if len(said) == 1:
            return said[0]
        return torch.cat([torch.nn.functional.normalize(own, dim=1) for own in said], dim=1)

    with interrupt.listening():
        encoders = [load(run) for run in runs]
        bench = bench_of(encoders[0].open(data), seed=0, totals=(), draws=1)
        seconds[0] = time.time() - since
        rows = [Row("race", "encoder", learnt)]
        if not all(each.network.solved for each in encoders):
            rows.append(Row(FLOOR, FLOOR, random))
        found = evaluate(bench, rows, list(TASKS)).to_json()
    kept = {row.name: short(numbers(found, row.name), data) for row in rows}
    floor = {FLOOR: kept[FLOOR]} if FLOOR in kept else {}
    width = sum(each.network.dim for each in encoders)
    return {"features": round(sum(seconds), 1), "dim": width, **kept["race"], **floor}


def short(reached: Mapping[tuple[str, str], dict[str, Any]], data: str) -> dict[str, dict[str, Any]]:
    """What is kept of a row's results: the value, its interval, and how it was measured."""
    kept = {task: reached[task, budget] for task, budget in TASKS.items()}
    for each in kept.values():
        each["protocol"]["data"] = Path(data).name
    return {task: {key: each[key] for key in ("value", "low", "high", "protocol")} for task, each in kept.items()}


def table(known: dict[str, dict[str, Any]]) -> str:
    """A row a contender, in their order here."""
    rows = []
    for name in (name for name in CONTENDERS if name in known):
        found, contender = known[name], CONTENDERS[name]
        used = found["train"] + found["features"]
        late = " (over)" if used > 60 * found["minutes"] else ""
        times = [f"{found['train']:.0f}", f"{found['features']:.0f}", f"{used:.0f}{late}"]
        floor = found.get(FLOOR, {})
        tasks = [each for task in TASKS for each in (cell(found.get(task)), floored(floor.get(task)))]
        rows.append([contender.title, str(found["dim"]), *times, *tasks])
    reached = [each for probe in ("kNN", "logistic", "ridge") for each in (probe, FLOOR)]
    header = ["contender", "width", "train, s", "features, s", "in all, s", *reached]
    return markdown(header, rows)


def floored(result: dict[str, Any] | None) -> str:
    """What the untrained network has, where there is one."""
    return f"{result['value']:.3f}" if result else ""


def draw(known: dict[str, dict[str, Any]], path: Path) -> None:
    """Accuracy against seconds: filled for the linear probe, hollow for neighbours."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for number, (name, found) in enumerate(known.items()):
        used, colour = found["train"] + found["features"], f"C{number % 10}"
        axes.plot([used, used], [found["knn"]["value"], found["linear"]["value"]], "-", color=colour, alpha=0.3)
        axes.plot(used, found["linear"]["value"], "o", color=colour)
        axes.plot(used, found["knn"]["value"], "o", color=colour, fillstyle="none")
        axes.annotate(name, (used, found["linear"]["value"]), (5, 4), textcoords="offset points", fontsize=8)
    axes.set(xlabel="seconds, features of all images included", ylabel="accuracy (filled: linear, hollow: kNN)")
    axes.grid(alpha=0.3)
    figure.savefig(path)


if __name__ == "__main__":
    main()
