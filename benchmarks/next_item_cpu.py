"""The next item of users on a CPU: a causal transformer beside the field's closed forms, and their mix.

    python benchmarks/next_item_cpu.py                   LastFM: training, then the judgement
    python benchmarks/next_item_cpu.py --sets Beauty
    python benchmarks/next_item_cpu.py --presets sasrec,cl4srec,duorec     does contrast beside the next item help?
    python benchmarks/next_item_cpu.py --write           the tables of what was measured into docs/interactions.md

The sequences are those of S3-Rec (Zhou et al. 2020), a line a user, looked up in $TACIT_DATA. Protocol: leave one out,
rank among all items, items that a user took before left out; what is chosen is chosen on the last item but one; the
last step's encoder; 95 % intervals over users. Runs that are there already are not repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from tables import ROOT, markdown, put, tacit

from tacit.report.comparing import terms, unlike

METRICS = ("NDCG@10", "HR@10", "MRR@10")
EPOCHS = {"LastFM": 220, "Beauty": 30}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    home = Path(os.environ.get("TACIT_DATA", ".")) / "interactions/s3rec"
    arguments.add_argument("--data", type=Path, default=home)
    arguments.add_argument("--sets", default="LastFM")
    arguments.add_argument("--epochs", type=int, help="as many as suit the set where none are given")
    arguments.add_argument("--presets", help="encoders alone, trained by each of these, in place of the default recipe")
    arguments.add_argument("--runs", type=Path, default=Path("runs/next_item_cpu"))
    arguments.add_argument("--write", action="store_true")
    given = arguments.parse_args()
    for name in given.sets.split(","):
        if given.presets:
            presets = given.presets.split(",")
            place, text = f"{name} presets", side_by_side(name, {each: measured(name, given, each) for each in presets})
        else:
            evaluation = measured(name, given)
            place, text = name, table(name, evaluation)
            print(f"{name}: {evaluation['verdict']['sentence']}")
        print(text)
        if given.write:
            put(f"next_item_cpu {place}", text, ROOT / "docs" / "interactions.md")


def measured(name: str, given: argparse.Namespace, preset: str | None = None) -> dict[str, Any]:
    """The evaluation of one set, made where it is not there yet."""
    run, data = given.runs / (f"{name}-{preset}" if preset else name), given.data / f"{name}.txt"
    if not (run / "encoder" / "model.safetensors").is_file():
        words = ["--set", "modality.name=interactions", "--epochs", given.epochs or EPOCHS[name], "--out", run]
        words += ["--preset", preset] if preset else []
        print(f"trained in {tacit('train', data, *words)} s")
    if not (run / "next-item.json").is_file():
        print(f"evaluated in {tacit('evaluate', run, data)} s")
    evaluation: dict[str, Any] = json.loads((run / "next-item.json").read_text())
    return evaluation


def table(name: str, evaluation: dict[str, Any]) -> str:
    """One line a list: the first figure with its interval."""
    rows = dict.fromkeys(each["row"] for each in evaluation["results"])
    return markdown([name, *METRICS], [line(row, row, evaluation) for row in rows])


def side_by_side(name: str, evaluations: dict[str, dict[str, Any]]) -> str:
    """One line a preset: the encoder alone, and its mix with the closed forms."""
    lines, first = [], next(iter(evaluations.values()))["results"][0]
    for preset, evaluation in evaluations.items():
        if differs := unlike(terms(first), terms(evaluation["results"][0])):
            sys.exit(
                f"{name}: {preset} was judged by another protocol ({'; '.join(differs)}): remove its next-item.json"
            )
        encoder = next(each["row"] for each in evaluation["results"] if each["kind"] == "encoder")
        lines += [line(preset, encoder, evaluation), line(f"mix with {preset}", "mix", evaluation)]
    return markdown([name, *METRICS], lines)


def line(title: str, row: str, evaluation: dict[str, Any]) -> list[str]:
    """The figures of a row, the first with its interval."""
    results = {each["metric"]: each for each in evaluation["results"] if each["row"] == row}
    first, *others = (results[metric] for metric in METRICS)
    interval = f"{first['value']:.4f} [{first['low']:.4f}, {first['high']:.4f}]"
    return [title, interval, *(f"{each['value']:.4f}" for each in others)]


if __name__ == "__main__":
    main()
