"""Three spoken words on a CPU, speakers apart: few labels beside all floors. Writes a table of docs/audio.md.

    python benchmarks/speech_commands_cpu.py --write               one minute of training, then the judgement
    python benchmarks/speech_commands_cpu.py --data PLACE          a folder a word, files named SPEAKER_nohash_N

Speech Commands (Warden 2018, arXiv 1804.03209) is looked up in $TACIT_DATA, where a part of it is at hand. Protocol:
the group is the speaker, as the file's name tells; groups go to the test part by hash; learning from the training part
without labels, the last step's encoder, logistic regression on frozen features, few labels as the mean of paired draws.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from pathlib import Path

from tables import ROOT, cell, markdown, numbers, put, tacit

PER_CLASS = (5, 20, 100)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--time", default="60s")
    arguments.add_argument("--steps", type=int, help="in place of a time")
    arguments.add_argument("--method", default="simclr")
    arguments.add_argument("--preset")
    arguments.add_argument("--runs", type=Path, default=Path("runs/speech_commands_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into docs/audio.md")
    given = arguments.parse_args()
    folder = given.data or Path(os.environ.get("TACIT_DATA", ".")) / "audio" / "speech_commands_3"
    listing = listed(folder.resolve(), given.runs)
    run = given.runs / f"{given.method}{'-' + given.preset if given.preset else ''}"
    if not (run / "encoder" / "model.safetensors").is_file():
        budget = ("--steps", given.steps) if given.steps else ("--time", given.time)
        preset = ("--preset", given.preset) if given.preset else ()
        words = ("--method", given.method, *preset, *budget, "--out", run)
        print(f"trained in {tacit('train', listing, *words)} s")
    if not (run / "evaluation.json").is_file():
        classes = len({path.parent.name for path in folder.glob("*/*_nohash_*")})
        labels = ",".join(str(classes * count) for count in PER_CLASS)
        print(f"evaluated in {tacit('evaluate', run, listing, '--task', 'few-label,linear', '--labels', labels)} s")
    found = json.loads((run / "evaluation.json").read_text())
    names = dict.fromkeys(result["row"] for result in found["results"])
    few = [key for key in numbers(found, next(iter(names))) if key[0] == "few-label"]
    rows = [[name, *(cell(numbers(found, name).get(key)) for key in [*few, ("linear", "all")])] for name in names]
    text = markdown(["labels per class", *map(str, PER_CLASS), "all"], rows)
    print(text, found["verdict"]["sentence"], sep="\n")
    if given.write:
        put("speech_commands_cpu", text, ROOT / "docs" / "audio.md")


def listed(folder: Path, runs: Path) -> Path:
    """A list of the recordings with word and speaker: what a user writes, too."""
    runs.mkdir(parents=True, exist_ok=True)
    listing = runs / "recordings.csv"
    with listing.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "group"])
        for path in sorted(folder.glob("*/*_nohash_*")):
            writer.writerow([path, path.parent.name, path.name.split("_")[0]])
    return listing


if __name__ == "__main__":
    main()
