"""Translation on a CPU: 3,000 and 29,000 pairs of Multi30k, from pre-trained and from random weights.

    python benchmarks/multi30k_cpu.py --time 10m --write      German to English; a table of docs/text.md
    python benchmarks/multi30k_cpu.py --time 10m --source en --target de --pairs 3000 --write      the other one

Killed or stopped, it goes on where it was.

Multi30k (Elliott et al. 2016) is looked up in $TACIT_DATA/text/multi30k, or at --data: train, val and test_2016_flickr,
one sentence a line, as .de.gz and .en.gz. Protocol: `denoising-seq2seq` on the 58,000 sentences of both languages in
the training part, not paired, with one tokenizer; then the same network, the same steps and draws from its weights and
from random ones, on the first 3,000 of a random order of the pairs and on all; the weights that do best on 200
sentences of the validation part; a beam of 4; the 1,000 sentences of test2016 once. BLEU and chrF by sacrebleu on text
as it is written, intervals by resampling sentences.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from tables import ROOT, cell, markdown, numbers, put, tacit

from tacit.encoder import load
from tacit.proving import outcome, translation

PARTS = {"train": "train", "val": "val", "test": "test_2016_flickr"}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("TACIT_DATA", ".")) / "text" / "multi30k"
    arguments.add_argument("--data", type=Path, default=default)
    arguments.add_argument("--source", default="de")
    arguments.add_argument("--target", default="en")
    arguments.add_argument("--time", default="5m", help="of pre-training")
    arguments.add_argument("--steps", type=int, default=450, help="of each training on pairs")
    arguments.add_argument("--pairs", type=int, nargs="+", default=[3_000, 29_000], help="how many to learn from")
    arguments.add_argument("--runs", type=Path, default=Path("runs/multi30k_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into docs/text.md")
    given = arguments.parse_args()
    home: Path = given.runs / f"{given.source}-{given.target}"
    alone, pairs = written(given.data, (given.source, given.target), given.runs, home)
    run = given.runs / "pre-trained"
    if not (run / "encoder" / "model.safetensors").is_file():
        options = ("--method", "denoising-seq2seq", "--time", given.time, "--out", run)
        print(f"pre-trained in {tacit('train', alone, *options)} s")
    # what `tacit evaluate --task translate` does, with steps of its own
    effort = replace(translation.EFFORT, steps={}, steps_all=given.steps, evaluations=4)
    proof = translation.translate(load(run), str(pairs), totals=given.pairs, effort=effort)
    (path,) = outcome.write(proof, home)
    text = table(json.loads(path.read_text()))
    print(text, proof.evaluation.verdict.sentence, sep="\n")
    if given.write:
        put(f"multi30k_cpu {given.source}-{given.target}", text, ROOT / "docs" / "text.md")


def written(data: Path, languages: tuple[str, str], runs: Path, home: Path) -> tuple[Path, Path]:
    """Sentences of both languages, not paired, and pairs, as JSON lines."""
    alone, pairs = runs / "sentences.jsonl", home / "pairs.jsonl"
    home.mkdir(parents=True, exist_ok=True)
    told = {
        (part, language): lines(data / f"{name}.{language}.gz")
        for part, name in PARTS.items()
        for language in languages
    }
    if not alone.is_file():
        both = [text for language in sorted(languages) for text in told["train", language]]
        alone.write_text("".join(json.dumps({"text": text, "split": "train"}) + "\n" for text in both))
    rows = [
        {"text": text, "target": target, "split": part}
        for part in PARTS
        for text, target in zip(*(told[part, language] for language in languages), strict=True)
    ]
    if not pairs.is_file():
        pairs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return alone, pairs


def lines(path: Path) -> list[str]:
    """The sentences in a file."""
    if not path.is_file():
        sys.exit(f"{path} is not there: name the folder of Multi30k with --data")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line.strip() for line in file]


def table(found: dict) -> str:
    """A row a translator, BLEU and chrF for each number of pairs."""
    results = found["results"]
    columns = dict.fromkeys(result["metric"] for result in results)
    rows = []
    for name in dict.fromkeys(result["row"] for result in results):
        own = numbers(found, name)
        rows.append([name, *(cell(own.get(("translate", column))) for column in columns)])
    return markdown(["", *columns], rows)


if __name__ == "__main__":
    main()
