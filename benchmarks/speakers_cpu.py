"""Who speaks, on a CPU: do stretched frequencies hurt? Writes a table of docs/audio.md.

    python benchmarks/speakers_cpu.py --write                     twice 24 steps, about a minute, then the judgement
    python benchmarks/speakers_cpu.py --data PLACE/recordings     files named DIGIT_SPEAKER_TAKE

The Free Spoken Digit Dataset is looked up in $TACIT_DATA: six speakers, ten digits, fifty takes. Protocol: the label is
the speaker; takes 0 to 4 are the test part, as published, all others are learnt from without labels; the last step's
encoder, logistic regression on frozen features, few labels as the mean of paired draws, the test part used once. Every
speaker has a microphone and a room of their own, and says the words of the test part in training too: what is told
apart is a voice in its place, which is easier than a voice.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from pathlib import Path

from tables import ROOT, cell, markdown, numbers, put, tacit

PER_CLASS = (1, 5, 20)
TESTED = 5
"""Takes below this number are tested."""
RUNS = {"simclr": (), "simclr, frequencies as they are": ("--set", "modality.strong.pitch=[1,1]")}
"""Name of the row -> what is set."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--steps", type=int, default=24)
    arguments.add_argument("--runs", type=Path, default=Path("runs/speakers_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into docs/audio.md")
    given = arguments.parse_args()
    folder = given.data or Path(os.environ.get("TACIT_DATA", ".")) / "audio" / "fsdd" / "recordings"
    listing, speakers = listed(folder.resolve(), given.runs)
    labels = ",".join(str(count * speakers) for count in PER_CLASS)
    found = {}
    for place, (name, settings) in enumerate(RUNS.items()):
        run = given.runs / f"simclr-{place}"
        if not (run / "encoder" / "model.safetensors").is_file():
            words = ("--method", "simclr", *settings, "--steps", given.steps, "--out", run)
            print(f"trained in {tacit('train', listing, *words)} s")
        if not (run / "evaluation.json").is_file():
            print(f"evaluated in {tacit('evaluate', run, listing, '--task', 'few-label,linear', '--labels', labels)} s")
        found[name] = json.loads((run / "evaluation.json").read_text())
    text = table(found)
    print(text, *(f"{name}: {each['verdict']['sentence']}" for name, each in found.items()), sep="\n")
    if given.write:
        put("speakers_cpu", text, ROOT / "docs" / "audio.md")


def listed(folder: Path, runs: Path) -> tuple[Path, int]:
    """A list of the recordings with who speaks, as a user writes it, and how many speakers there are."""
    runs.mkdir(parents=True, exist_ok=True)
    listing = runs / "speakers.csv"
    files = sorted(path for path in folder.iterdir() if path.suffix in (".flac", ".wav"))
    with listing.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "split"])
        for path in files:
            _, speaker, take = path.stem.split("_")
            writer.writerow([path, speaker, "test" if int(take) < TESTED else "train"])
    return listing, len({path.stem.split("_")[1] for path in files})


def table(found: dict[str, dict]) -> str:
    """The encoders, then what needs none, which is the same beside each of them."""
    rows = [row(name, numbers(evaluation, "simclr")) for name, evaluation in found.items()]
    first = next(iter(found.values()))
    names = dict.fromkeys(result["row"] for result in first["results"])
    rows += [row(name, numbers(first, name)) for name in names if name != "simclr"]
    return markdown(["labels per class", *map(str, PER_CLASS), "all"], rows)


def row(name: str, told: dict) -> list[str]:
    few = [key for key in told if key[0] == "few-label"]
    return [name, *(cell(told.get(key)) for key in [*few, ("linear", "all")])]


if __name__ == "__main__":
    main()
