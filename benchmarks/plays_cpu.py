"""A model of language on a CPU: the plays of Shakespeare, beside counts of neighbouring tokens; for docs/text.md.

    python benchmarks/plays_cpu.py --write                 four minutes of training, then the judgement
    python benchmarks/plays_cpu.py --data novel.txt        any running text

The text is looked up in $TACIT_DATA (text/tinyshakespeare/input.txt). Protocol: its first nine tenths for training,
its last tenth for testing, as in nanoGPT, both cut into blocks of whole lines, about 4,000 characters each; tokens are
pieces of words, so figures are bits per byte of text; the last step's model, 64 to 128 tokens of context; the test part
used once. `5-gram counts` are of the same tokens, smoothed after Kneser and Ney, and have seen the same text.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

from tables import ROOT, cell, markdown, numbers, put, tacit

BLOCK = 4000
COLUMN = ("language", "bits per byte")


def blocks(lines: list[str]) -> Iterator[str]:
    """Whole lines, about `BLOCK` characters of them."""
    block = ""
    for line in lines:
        block += line
        if len(block) >= BLOCK:
            yield block
            block = ""
    if block:
        yield block


def convert(text: Path, out: Path) -> None:
    """The first nine tenths and the last one as JSON lines with a split."""
    lines = text.read_text(encoding="utf-8").splitlines(keepends=True)
    size = sum(map(len, lines))
    seen, place = 0, 0
    while seen < 0.9 * size:
        seen, place = seen + len(lines[place]), place + 1
    records = [{"text": block, "split": "train"} for block in blocks(lines[:place])]
    records += [{"text": block, "split": "test"} for block in blocks(lines[place:])]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    place = Path(os.environ.get("TACIT_DATA", "")) / "text" / "tinyshakespeare" / "input.txt"
    arguments.add_argument("--data", type=Path, default=place)
    arguments.add_argument("--time", default="4m")
    arguments.add_argument("--runs", type=Path, default=Path("runs/plays_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into docs/text.md")
    given = arguments.parse_args()
    data, run = given.runs / "plays.jsonl", given.runs / "model"
    convert(given.data, data)
    if not (run / "encoder" / "model.safetensors").is_file():
        words = ("--method", "causal-prediction", "--lr", "5e-3", "--time", given.time, "--out", run)
        print(f"trained in {tacit('train', data, *words)} s")
    if not (run / "language.json").is_file():
        print(f"evaluated in {tacit('evaluate', run, data, '--task', 'language')} s")
    found = json.loads((run / "language.json").read_text())
    names = dict.fromkeys(result["row"] for result in found["results"])
    text = markdown(["", "bits per byte"], [[name, cell(numbers(found, name)[COLUMN])] for name in names])
    print(text, found["verdict"]["sentence"], sep="\n")
    tacit("generate", run, "--prompt", "KING RICHARD:", "--tokens", 80)
    if given.write:
        put("plays_cpu", text, ROOT / "docs" / "text.md")


if __name__ == "__main__":
    main()
