"""Items that training never saw, ranked by what is known of them, on a CPU.

    python benchmarks/cold_start_cpu.py --write         the table into docs/interactions.md

The sequences and attributes are those of S3-Rec (Zhou et al. 2020), looked up in $TACIT_DATA. A tenth of the items, by
a hash of their names, is in nothing that training sees; those users are asked whose last item is one of them, and the
items that were kept out are ranked; 95 % intervals over users. Runs that are there already are not repeated.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from next_item_cpu import table
from tables import ROOT, put, tacit

EPOCHS = 40


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    home = Path(os.environ.get("TACIT_DATA", ".")) / "interactions/s3rec"
    arguments.add_argument("--data", type=Path, default=home)
    arguments.add_argument("--set", default="LastFM")
    arguments.add_argument("--epochs", type=int, default=EPOCHS)
    arguments.add_argument("--runs", type=Path, default=Path("runs/cold_start_cpu"))
    arguments.add_argument("--write", action="store_true")
    given = arguments.parse_args()
    evaluation = measured(given)
    text = table(given.set, evaluation)
    print(text)
    print(evaluation["verdict"]["sentence"])
    if given.write:
        put("cold_start_cpu", text, ROOT / "docs" / "interactions.md")


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """The evaluation, made where it is not there yet."""
    run, data = given.runs / given.set, given.data / f"{given.set}.txt"
    items = given.runs / f"{given.set}-items.jsonl"
    if not (run / "encoder" / "model.safetensors").is_file():
        attributes = json.loads((given.data / f"{given.set}_item2attributes.json").read_text())
        lines = [
            json.dumps({"item": item, "kinds": [f"kind {each}" for each in own]}) for item, own in attributes.items()
        ]
        given.runs.mkdir(parents=True, exist_ok=True)
        items.write_text("\n".join(lines) + "\n")
        wishes = ("modality.name=interactions", f"modality.features={items}", "modality.cold=0.1")
        words = [word for wish in wishes for word in ("--set", wish)]
        print(f"trained in {tacit('train', data, *words, '--epochs', given.epochs, '--out', run)} s")
    if not (run / "cold-start.json").is_file():
        print(f"evaluated in {tacit('evaluate', run, data, '--task', 'cold-start')} s")
    evaluation: dict[str, Any] = json.loads((run / "cold-start.json").read_text())
    return evaluation


if __name__ == "__main__":
    main()
