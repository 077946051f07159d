"""Does the choice of a method hold on sets that it was not made from? Writes a table of docs/choosing.md.

    python benchmarks/choice_cpu.py --write                     all sets, about an hour; goes on where it stopped
    python benchmarks/choice_cpu.py --sets digits TREC          some of them

Protocol: on each set the method that `tacit train` takes by itself and others, the same on every set of such data,
each for `--time` (45 s) by its default recipe, the last step's encoder, judged as in `make matrix`: accuracy with ten
labels per class, for users NDCG@10, for moments the mean R2 of their state. Regret is how far the choice is behind the
best of them. No case of tacit/measured.json that chooses is of these sets. Handwritten digits come with scikit-learn,
Acrobot is played, all others are looked up in $TACIT_DATA. Figures are kept in `--results`, with the processor.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from harness import machine
from matrix_cpu import LISTING, Column, judged, played, results, series, texts
from speech_commands_cpu import listed
from tables import ROOT, markdown, put

from tacit.atomic import write
from tacit.settings import assign
from tacit.training import configure

OTHERS = ("simclr", "vicreg", "byol", "mae")
"""Pages that differ: negatives, covariances, a teacher, hidden tokens."""
Found = dict[str, Any]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sets", nargs="*", default=list(SETS), choices=SETS)
    arguments.add_argument("--time", default="45s")
    arguments.add_argument("--runs", type=Path, default=Path("runs/choice_cpu"))
    arguments.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "choice_cpu.json")
    arguments.add_argument("--write", action="store_true", help="put the table into docs/choosing.md")
    given = arguments.parse_args()
    given.runs.mkdir(parents=True, exist_ok=True)
    found: Found = json.loads(given.results.read_text()) if given.results.is_file() else {}
    for name in given.sets:
        measure(name, found.setdefault(f"{name}, {given.time}", {"figures": {}}), given, found)
    text = table(found)
    print(text)
    if given.write:
        put("choice_cpu", text, ROOT / "docs" / "choosing.md")


def measure(name: str, one: Found, given: argparse.Namespace, found: Found) -> None:
    """Choose for a set, and measure what was chosen and the others where that is not done; all is kept at once."""
    column = SETS[name](given.runs)
    chosen = configure([{"data": column.data, "budget": {"time": given.time}}, assign(column.read[1::2])])
    one |= {"title": f"{column.modality.unit}: {name}", "chosen": chosen.method.name, "why": chosen.chosen}
    others = LISTING if column.task == "next-item" else OTHERS
    for method in dict.fromkeys((chosen.method.name, *others)):
        if method in one["figures"]:
            continue
        evaluation = judged(method, column, given.runs, given.time)
        if evaluation is not None:
            own, *_ = results(evaluation, column)
            one["figures"][method] = [round(own[part], 5) for part in ("value", "low", "high")]
            one["machine"] = machine()
            text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
            write(given.results, text.encode(), given.results.with_name(given.results.name + ".tmp"))


def _digits(runs: Path) -> Column:
    return Column("digits")


def _words(runs: Path) -> Column:
    folder = Path(os.environ["TACIT_DATA"]) / "audio" / "speech_commands_3"
    return Column(str(listed(folder.resolve(), runs)))


def _users(runs: Path) -> Column:
    data = str(Path(os.environ["TACIT_DATA"]) / "interactions" / "s3rec" / "Beauty.txt")
    read = ("--set", "modality.name=interactions")
    return Column(data, kind="interactions", read=read, task="next-item", metric="NDCG@10")


SETS: Mapping[str, Callable[[Path], Column]] = {
    "digits": _digits,
    "TREC": partial(texts, "trec"),
    "BANKING77": partial(texts, "banking77"),
    "CR": partial(texts, "cr"),
    "Speech Commands": _words,
    "ItalyPowerDemand": lambda runs: series("ItalyPowerDemand"),
    "ArrowHead": lambda runs: series("ArrowHead"),
    "BasicMotions": lambda runs: series("BasicMotions"),
    "Beauty": _users,
    "Acrobot": partial(played, "Acrobot-v1"),
}
"""Name -> where it lies and how it is judged, given the folder of runs."""


def table(found: Mapping[str, Found]) -> str:
    """A row a set: the choice, the best, one at random, and how far the choice is behind; then their means."""
    rows, regrets, blind = [], [], []
    for one in found.values():
        figures = one["figures"]
        if one.get("chosen") not in figures:
            continue
        values = {name: figure[0] for name, figure in figures.items()}
        best, own = max(values, key=values.__getitem__), one["chosen"]
        regrets.append(values[best] - values[own])
        blind.append(values[best] - fmean(values.values()))
        rest = ", ".join(f"`{name}` {value:.3f}" for name, value in values.items() if name not in (own, best))
        top = "the same" if best == own else f"`{best}` {number(figures[best])}"
        rows.append(
            [one["title"], f"`{own}` {number(figures[own])}", top, rest, f"{regrets[-1]:.3f}", f"{blind[-1]:.3f}"]
        )
    if rows:
        rows.append(["*mean*", "", "", "", f"{fmean(regrets):.3f}", f"{fmean(blind):.3f}"])
    return markdown(["set", "chosen", "best", "others", "regret", "of one at random"], rows)


def number(parts: list[float]) -> str:
    """A value with its interval."""
    return "{:.3f} [{:.3f}, {:.3f}]".format(*parts)


if __name__ == "__main__":
    main()
