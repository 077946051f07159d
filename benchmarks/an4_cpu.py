"""Speech recognition on a CPU: does pre-training without transcripts help? Writes the table of docs/audio.md.

    python benchmarks/an4_cpu.py --write                      four minutes of pre-training, then the examination
    python benchmarks/an4_cpu.py --data PLACE/an4_mfc/an4 --time 60s

CMU AN4: 948 utterances of 74 speakers for training and 130 of 10 others for testing, letters, numbers and commands, as
Sphinx's features (13 cepstra, 100 frames a second); looked up in $TACIT_DATA. Protocol: masked prediction on the frames
of the training part, the last step's encoder; then `tacit evaluate --task recognise`: one recogniser from every start,
on 50, 100 and all transcripts, with the same steps and draws, the test part (773 words: 3 points are noise) used once.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from pathlib import Path

from tables import ROOT, cell, markdown, numbers, put, tacit

BUDGETS = ("50 recordings", "100 recordings", "all recordings")
METRICS = ("CER", "WER")
READING = ("--set", "modality.front=features", "--set", "modality.bands=13")
HIDING = ("span=3", "share=0.4", "changed=0", "kept=0")


def main() -> None:
    home = Path(os.environ.get("TACIT_DATA", ".")) / "audio" / "an4_mfc" / "an4"
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=home, help="folder of the set, with etc/ and feat/")
    arguments.add_argument("--time", default="4m")
    arguments.add_argument("--runs", type=Path, default=Path("runs/an4_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into docs/audio.md")
    given = arguments.parse_args()
    given.runs.mkdir(parents=True, exist_ok=True)
    listing, run = given.runs / "an4.csv", given.runs / "masked-prediction"
    if not (run / "encoder" / "model.safetensors").is_file():
        write(given.data.resolve(), listing)
        hiding = [word for setting in HIDING for word in ("--set", f"method.{setting}")]
        options = ("--method", "masked-prediction", "--batch", 32, *READING, *hiding)
        print(f"trained in {tacit('train', listing, *options, '--time', given.time, '--out', run)} s")
    if not (run / "recognition.json").is_file():
        print(f"evaluated in {tacit('evaluate', run, listing, '--task', 'recognise')} s")
    found = json.loads((run / "recognition.json").read_text())
    text = table(found)
    print(text, found["verdict"]["sentence"], sep="\n")
    if given.write:
        put("an4_cpu", text, ROOT / "docs" / "audio.md")


def write(folder: Path, listing: Path) -> None:
    """The list of recordings and transcripts, as a user writes it; a group is a speaker."""
    with listing.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "transcript", "split", "group"])
        for part in ("train", "test"):
            names = (folder / "etc" / f"an4_{part}.fileids").read_text().split()
            said = (folder / "etc" / f"an4_{part}.transcription").read_text().splitlines()
            for name, line in zip(names, said, strict=True):
                speaker = name.split("/")[1]
                rows.writerow([folder / "feat" / f"{name}.mfc", line.rpartition(" (")[0], part, speaker])


def table(found: dict) -> str:
    """A row a start, a column an error rate and budget."""
    columns = [(metric, budget) for metric in METRICS for budget in BUDGETS]
    rows = []
    for name in dict.fromkeys(result["row"] for result in found["results"]):
        own = numbers(found, name)
        rows.append([name, *(cell(own.get(("recognise", f"{metric}, {budget}"))) for metric, budget in columns)])
    return markdown(["", *(f"{metric}, {budget}" for metric, budget in columns)], rows)


if __name__ == "__main__":
    main()
