"""What `tacit train` chooses a method by, from the published tables: writes tacit/measured.json.

    python benchmarks/measured.py           after `make matrix`, `make cifar10` or `make matrix-images`

A case is a set, how many samples there are for training, how long they were learnt from, and each method's figure with
its interval, and that of its network before training: those of the README's matrix, of its CIFAR-10 (10 labels), of all
six speakers of FSDD (20 labels; of `simclr` nine minutes a speaker and of `mae` one, since nothing else is there), and
of benchmarks/matrix_images.json. Those of benchmarks/worth_cpu.json, each method by itself, are shown and choose
nothing, nor do those of methods that learnt from labels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from tables import ROOT, TAUGHT

from tacit.core import ClosedForm
from tacit.methods import METHODS

TEN = "ten labels per class"
MATRIX = (
    ("image", "flowers", 2_934, TEN),
    ("text", "SUBJ", 8_000, TEN),
    ("audio", "FSDD", 2_500, TEN),
    ("series", "GunPoint", 50, TEN),
    ("interactions", "LastFM", 1_090, "NDCG@10 of the last artist"),
    ("trajectories", "CartPole", 6_000, "R2 of the state"),
)
"""Modality, set and samples for training of each column, and what its figures are."""
WORTH = {
    "SUBJ": ("text", 7_970),
    "TREC": ("text", 5_452),
    "ETTh1": ("series", 2_999),
    "ArrowHead": ("series", 36),
    "HMP": ("series", 5_169),
    "CartPole": ("trajectories", 8_016),
    "Acrobot": ("trajectories", 9_143),
}
"""Kind and samples for training of the sets of worth_cpu.py."""
NUMBER = re.compile(r"(\d\.\d+) \[(\d\.\d+), (\d\.\d+)\]")
BEFORE = re.compile(r"\((\d\.\d+)\)")
UNTRAINED = "untrained"
CLOSED = frozenset(name for name, kind in METHODS.items() if issubclass(kind, ClosedForm))
"""Methods that have no network."""
Figures = dict[str, list[float]]


def main() -> None:
    text = "[\n" + ",\n".join(json.dumps(case) for case in cases()) + "\n]\n"
    (ROOT / "tacit" / "measured.json").write_text(text)


def cases() -> list[dict[str, Any]]:
    """All of them, as they are written."""
    readme, audio = ROOT / "README.md", ROOT / "docs" / "audio.md"
    found = [
        case(kind, name, samples, 45, metric, column(readme, "matrix_cpu", at), before(readme, "matrix_cpu", at))
        for at, (kind, name, samples, metric) in enumerate(MATRIX, 1)
    ]
    cifar = column(readme, "cifar10_cpu", 4)
    raw = before(readme, "cifar10_cpu", 4)[UNTRAINED]
    found.append(
        case("image", "CIFAR-10", 50_000, 300, TEN, cifar, {name: raw for name in cifar if name not in CLOSED})
    )
    speakers, raws = {}, {}
    for name, marker in (("simclr", "fsdd_cpu"), ("mae", "fsdd_cpu mae")):
        speakers[name] = column(audio, marker, 2)[name]
        raws[name] = before(audio, marker, 2)[UNTRAINED]
    twenty = "20 labels per class, of mae after a minute"
    found.append(case("audio", "six speakers of FSDD", 2_500, 540, twenty, speakers, raws))
    images = ROOT / "benchmarks" / "matrix_images.json"
    if images.is_file():
        found += photographs(json.loads(images.read_text()))
    taught = [one for table in found if (one := part(table, TAUGHT))["figures"]]
    return [
        *(part(table, METHODS.keys() - TAUGHT) for table in found),
        *({**one, "metric": f"{one['metric']}; it learnt from all", "beside": False} for one in taught),
        *alone(json.loads((ROOT / "benchmarks" / "worth_cpu.json").read_text())),
    ]


def photographs(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The cases of `matrix_images.py`; that of few labels chooses."""
    protocol, found = told["protocol"], []
    for task, metric in (("few-label", TEN), ("knn", "kNN"), ("linear", "linear, all labels")):
        each = {name: (one["trained"][task], one["untrained"].get(task)) for name, one in told["methods"].items()}
        figures, raws = (
            {name: own for name, (own, _) in each.items()},
            {name: raw[0] for name, (_, raw) in each.items() if raw},
        )
        new = case("image", "a fifth of CIFAR-10", protocol["images"], 60 * protocol["minutes"], metric, figures, raws)
        found.append(new | {"beside": metric == TEN})
    return found


def alone(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The cases of `worth_cpu.py`: a figure each, those of one set, time and measure together."""
    told: dict[tuple[str, str, float], dict[str, Any]] = {}
    for each in found.values():
        kind, samples = WORTH[each["set"]]
        for one in each["figures"]:
            metric = one["by"].replace("10 labels per class", TEN)
            new = {"beside": False, "less": "(less is better)" in metric}
            new = case(kind, each["set"], samples, 60 * each["minutes"], metric, {}, {}) | new
            known = told.setdefault((each["set"], metric, each["minutes"]), new)
            known["figures"][each["method"]] = one["encoder"]
            known["untrained"][each["method"]] = one["untrained"][0]
    return list(told.values())


def case(
    kind: str, name: str, samples: int, seconds: float, metric: str, figures: Figures, untrained: dict[str, float]
) -> dict[str, Any]:
    """One, as `tacit.choice.Case` has it."""
    told = {"kind": kind, "name": name, "samples": samples, "seconds": seconds, "metric": metric}
    return {**told, "figures": figures, "untrained": untrained, "beside": True, "less": False}


def part(table: Mapping[str, Any], methods: Collection[str]) -> dict[str, Any]:
    """A case with what it has of some methods."""
    some = {key: {name: own for name, own in table[key].items() if name in methods} for key in ("figures", "untrained")}
    return {**table, **some}


def column(document: Path, marker: str, at: int) -> Figures:
    """The figures in one column of a table, by the names in its first, floors aside."""
    found = {}
    for name, text in cells(document, marker, at):
        if (number := NUMBER.search(text)) and not name.startswith("*"):
            found[name] = [float(part) for part in number.groups()]
    return found


def before(document: Path, marker: str, at: int) -> dict[str, float]:
    """What networks have before training: in brackets behind each figure of a column, or in the row `untrained`."""
    found = {}
    for name, text in cells(document, marker, at):
        if number := BEFORE.search(text):
            found[name] = float(number[1])
        elif name.strip("*") == UNTRAINED and (number := NUMBER.search(text)):
            found[UNTRAINED] = float(number[1])
    return found


def cells(document: Path, marker: str, at: int) -> Iterator[tuple[str, str]]:
    """The first cell of each row of a table, and the one in the column `at`."""
    table = document.read_text().split(f"<!-- {marker} begin -->")[1].split(f"<!-- {marker} end -->")[0]
    for line in table.strip().splitlines()[2:]:
        first, *rest = (cell.strip() for cell in line.strip("|").split("|"))
        yield first.split("`, ")[0].strip("`"), rest[at - 1]


if __name__ == "__main__":
    main()
