"""Names in tweets on a CPU: does pre-training on plain texts help to tag them? Writes the table of docs/text.md.

    python benchmarks/wnut17_cpu.py --write                   two minutes of pre-training, then the examination
    python benchmarks/wnut17_cpu.py --data PLACE/wnut17 --texts reviews.jsonl

WNUT-17 (Derczynski et al. 2017, CC BY 4.0): 3,394 tagged texts for training and 1,287 for testing, whose names do not
occur in training; looked up in $TACIT_DATA, its test part is `emerging.test.annotated`. Protocol: masked prediction on
the training texts without their tags, and on whatever --texts holds (the reviews of IMDb and the captions of Multi30k,
where they are at hand), the last step's encoder; then `tacit evaluate --task tag`: one tagger from every start, on 100,
1,000 and all tagged texts, with the same steps and draws, the test part used once.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tables import ROOT, cell, markdown, numbers, put, tacit

PARTS = {"train": "wnut17train.conll", "dev": "emerging.dev.conll", "test": "emerging.test.annotated"}
BUDGETS = ("100 texts", "1000 texts", "all texts")
OF_A_FILE = 2500
"""Reviews that are taken of each file: what two minutes can read."""


def main() -> None:
    home = Path(os.environ.get("TACIT_DATA", ".")) / "text"
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=home / "wnut17", help="folder of the set, as it is published")
    arguments.add_argument("--texts", type=Path, nargs="*", help="files of texts, .jsonl or lines, each also as .gz")
    arguments.add_argument("--time", default="100s")
    arguments.add_argument("--runs", type=Path, default=Path("runs/wnut17_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into docs/text.md")
    given = arguments.parse_args()
    texts = given.texts if given.texts is not None else [*sorted((home / "imdb").glob("train_*.gz")), *captions(home)]
    run, tagged = given.runs / "masked-prediction", given.runs / "set"
    if not (run / "encoder" / "model.safetensors").is_file():
        prepare(given.data, tagged)
        plain = given.runs / "texts.jsonl"
        print(f"{write([*sentences(tagged / 'train.conll'), *lines(texts)], plain):,} texts without tags")
        options = ("--method", "masked-prediction", "--set", "modality.weak.tokens=64", "--time", given.time)
        print(f"trained in {tacit('train', plain, *options, '--out', run)} s")
    if not (run / "tagging.json").is_file():
        print(f"evaluated in {tacit('evaluate', run, tagged, '--task', 'tag')} s")
    found = json.loads((run / "tagging.json").read_text())
    text = table(found)
    print(text, found["verdict"]["sentence"], sep="\n")
    if given.write:
        put("wnut17_cpu", text, ROOT / "docs" / "text.md")


def prepare(source: Path, folder: Path) -> None:
    """The parts under names that say which they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, name in PARTS.items():
        shutil.copyfile(source / name, folder / f"{part}.conll")


def captions(home: Path) -> list[Path]:
    """The English captions of Multi30k, where they are at hand."""
    return [path for path in [home / "multi30k" / "train.en.gz"] if path.is_file()]


def sentences(path: Path) -> Iterator[str]:
    """The words of a CoNLL file, without their tags."""
    for block in path.read_text().split("\n\n"):
        yield " ".join(line.split("\t")[0] for line in block.splitlines())


def lines(paths: list[Path]) -> Iterator[str]:
    """Texts of files of JSON lines, or of plain ones."""
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            for line in itertools.islice(file, OF_A_FILE if ".jsonl" in path.name else None):
                yield json.loads(line)["text"].replace("<br />", " ") if ".jsonl" in path.name else line


def write(texts: list[str], path: Path) -> int:
    """Writes texts as JSON lines; returns how many there are."""
    whole = [" ".join(text.split()) for text in texts]
    kept = [text for text in whole if text]
    path.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in kept), encoding="utf-8")
    return len(kept)


def table(found: dict) -> str:
    """A row a start; F1 at every budget, precision and recall with all tagged texts."""
    columns = [("span F1", budget) for budget in BUDGETS] + [("precision", BUDGETS[-1]), ("recall", BUDGETS[-1])]
    rows = []
    for name in dict.fromkeys(result["row"] for result in found["results"]):
        own = numbers(found, name)
        rows.append([name, *(cell(own.get(("tag", f"{metric}, {budget}"))) for metric, budget in columns)])
    return markdown(["", *(f"{metric}, {budget}" for metric, budget in columns)], rows)


if __name__ == "__main__":
    main()
