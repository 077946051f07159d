"""Pairs of sentences on a CPU: does one minute without labels rank them as people do? Writes the table of docs/text.md.

    python benchmarks/sts_cpu.py --write

STS 2012 to 2016 (Agirre et al.) and SICK-R (Marelli et al. 2014) are looked up in $TACIT_DATA/text/{sts,sick}, film
reviews for the second encoder in $TACIT_DATA too. Protocol: test pairs with a score, all sets of a year as one (the
"all" setting of the field); Spearman's correlation of the cosine with the scores, intervals over pairs. The encoder is
the bag of words, learnt for a minute from all sentences of these files, those without a score too, or from IMDb. TF-IDF
is fitted to the sentences of the pairs, which flatters nobody: no row sees a score. 2012 lacks MSRvid, 2013 lacks SMT.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path

from tables import ROOT, cell, markdown, numbers, put, tacit

YEARS = (2012, 2013, 2014, 2015, 2016)


def scored(home: Path) -> Iterator[dict[str, str]]:
    """All rows of the test files, those without a score too."""
    for year in YEARS:
        for path in sorted((home / "sts").glob(f"{year}_*.test.tsv")):
            for score, first, second in rows(path, (0, 1, 2)):
                yield {"text1": first, "text2": second, "score": score, "set": f"STS{year % 100}"}
    for first, second, score in list(rows(home / "sick" / "SICK_test_annotated.txt", (1, 2, 3)))[1:]:
        yield {"text1": first, "text2": second, "score": score, "set": "SICK-R"}


def rows(path: Path, columns: tuple[int, ...]) -> Iterator[list[str]]:
    with path.open(encoding="utf-8") as file:
        for cells in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield [cells[column] for column in columns]


def convert(home: Path, folder: Path) -> tuple[Path, Path]:
    """`pairs.jsonl` and `sentences.jsonl`, each sentence once, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs, sentences = folder / "pairs.jsonl", folder / "sentences.jsonl"
    found = list(scored(home))
    pairs.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    texts = dict.fromkeys(row[name] for row in found for name in ("text1", "text2"))
    sentences.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return pairs, sentences


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=Path(os.environ.get("TACIT_DATA", ".")) / "text")
    arguments.add_argument("--time", default="60s")
    arguments.add_argument("--runs", type=Path, default=Path("runs/sts_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into docs/text.md")
    given = arguments.parse_args()
    pairs, sentences = convert(given.data, given.runs)
    table: dict[str, dict[tuple[str, str], dict]] = {}
    for title, data in (("these sentences", sentences), ("imdb", "imdb")):
        run = given.runs / title.replace(" ", "-")
        if not (run / "encoder" / "model.safetensors").is_file():
            print(f"trained on {title} in {tacit('train', data, '--time', given.time, '--out', run)} s")
        if not (run / "similarity.json").is_file():
            print(f"evaluated in {tacit('evaluate', run, pairs, '--task', 'similarity')} s")
        found = json.loads((run / "similarity.json").read_text())
        print(found["verdict"]["sentence"])
        for name in dict.fromkeys(result["row"] for result in found["results"]):
            own = name in ("simclr", "untrained")
            table.setdefault(f"{name}, words of {title}" if own else name, numbers(found, name))
    sets = [f"STS{year % 100}" for year in YEARS] + ["SICK-R", "mean of sets"]
    lines = [
        [name, *(cell(row.get(("similarity", f"Spearman, {one}"))) for one in sets)] for name, row in table.items()
    ]
    text = markdown(["Spearman", *sets], lines)
    print(text)
    if given.write:
        put("sts_cpu", text, ROOT / "docs" / "text.md")


if __name__ == "__main__":
    main()
