"""Short texts on a CPU, on sets on which nothing was tuned: a minute of training each; writes a table of docs/text.md.

    python benchmarks/texts_cpu.py --write                    all sets, about five minutes each
    python benchmarks/texts_cpu.py trec cr                    some of them

Sets are looked up in $TACIT_DATA/text: TREC (Li and Roth 2002; six coarse classes, 5,452 questions and 500 to test on),
BANKING77 (Casanueva et al. 2020; 10,003 and 3,080), SST-2 (Socher et al. 2013; sentences alone, 6,920, 872 and 1,821),
all as published; customer reviews (Hu and Liu 2004) and subjectivity (Pang and Lee 2004), published for ten folds,
with tacit's own split, one fifth drawn by hash. Protocol: learning from the texts of the training part without labels,
the last step's encoder, logistic regression on frozen features, few labels as the mean of paired draws, the test part
used once. TF-IDF is of words and pairs of words, with logistic regression on the labelled texts.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tables import ROOT, cell, markdown, numbers, put, tacit

PER_CLASS = (5, 10, 100)
Text = tuple[str, str, str]
"""(text, label, part or nothing)."""


def _trec(folder: Path) -> Iterator[Text]:
    for part, name in (("train", "TREC.train"), ("test", "TREC.test")):
        for line in (folder / name).read_text("latin-1").splitlines():
            kind, _, question = line.partition(" ")
            yield question, kind.partition(":")[0], part


def _banking77(folder: Path) -> Iterator[Text]:
    for part in ("train", "test"):
        with (folder / f"{part}.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                yield row["text"], row["category"], part


def _sst2(folder: Path) -> Iterator[Text]:
    for part, name in (("train", "train.txt"), ("val", "dev.txt"), ("test", "test.txt")):
        for line in (folder / name).read_text("utf-8").splitlines():
            label, _, sentence = line.partition(" ")
            yield sentence, label, part


def _by_file(folder: Path) -> Iterator[Text]:
    """Sets of one file a class, called by its suffix."""
    for path in sorted(folder.glob("*.*")):
        if path.suffix != ".txt":
            for line in path.read_text("latin-1").splitlines():
                yield line, path.suffix.removeprefix("."), ""


SETS = {
    "trec": ("TREC", _trec),
    "banking77": ("BANKING77", _banking77),
    "sst2": ("SST-2", _sst2),
    "cr": ("CR", _by_file),
    "subj": ("SUBJ", _by_file),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("sets", nargs="*", default=list(SETS), metavar="SET", help=f"among {', '.join(SETS)}")
    arguments.add_argument("--time", default="60s")
    arguments.add_argument("--runs", type=Path, default=Path("runs/texts_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into docs/text.md")
    given = arguments.parse_args()
    if unknown := [name for name in given.sets if name not in SETS]:
        arguments.error(f"no set {unknown[0]!r}; there are {', '.join(SETS)}")
    rows = [row for name in given.sets for row in judged(name, given.runs, given.time)]
    text = markdown(["texts", "labels per class", *map(str, PER_CLASS), "all"], rows)
    print(text)
    if given.write:
        put("texts_cpu", text, ROOT / "docs" / "text.md")


def judged(name: str, runs: Path, time: str) -> list[list[str]]:
    """Train on the set `name` and judge; its rows of the table."""
    title, read = SETS[name]
    texts = list(read(Path(os.environ["TACIT_DATA"]) / "text" / name))
    data, run = runs / f"{name}.jsonl", runs / name
    data.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({"text": text, "label": label, "split": part}) for text, label, part in texts)
    data.write_text("".join(f"{line}\n" for line in lines))
    counts = Counter(label for _, label, part in texts if part in ("", "train"))
    # where tacit draws the split, a fifth of each class, more or less, is set aside
    rarest = min(counts.values()) * (1.0 if texts[0][2] else 0.7)
    totals = {size: size * len(counts) for size in PER_CLASS if size <= rarest}
    if not (run / "encoder" / "model.safetensors").is_file():
        tacit("train", data, "--time", time, "--out", run)
    if not (run / "evaluation.json").is_file():
        tacit("evaluate", run, data, "--task", "few-label,linear", "--labels", ",".join(map(str, totals.values())))
    found = json.loads((run / "evaluation.json").read_text())
    print(title, found["verdict"]["sentence"])
    columns = [("few-label", f"{totals.get(size)} in all") for size in PER_CLASS] + [("linear", "all")]
    names = dict.fromkeys(result["row"] for result in found["results"])
    return [
        [title if not number else "", row, *(cell(numbers(found, row).get(column)) for column in columns)]
        for number, row in enumerate(names)
    ]


if __name__ == "__main__":
    main()
