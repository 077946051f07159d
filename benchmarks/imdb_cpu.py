"""Film reviews on a CPU: a bag of words learnt without labels, beside all floors; writes the table of docs/text.md.

    python benchmarks/imdb_cpu.py --write                     one minute of training, then the judgement
    python benchmarks/imdb_cpu.py --data reviews.jsonl        any labelled texts

IMDb (Maas et al. 2011) is looked up in $TACIT_DATA. Protocol: the published split (half of the test part, where only
that is at hand), learning from the 75,000 training reviews without labels, the last step's encoder, logistic regression
on frozen features, few labels as the mean of paired draws, the test part used once. TF-IDF is of words and pairs of
words, with logistic regression on the labelled reviews; LSA is fitted to all training reviews, labelled or not.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tables import ROOT, cell, markdown, numbers, put, tacit

PER_CLASS = (10, 50, 100, 500)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", default="imdb")
    arguments.add_argument("--time", default="60s")
    arguments.add_argument("--draws", type=int, default=20)
    arguments.add_argument("--runs", type=Path, default=Path("runs/imdb_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into docs/text.md")
    given = arguments.parse_args()
    run = given.runs / "simclr"
    if not (run / "encoder" / "model.safetensors").is_file():
        print(f"trained in {tacit('train', given.data, '--time', given.time, '--out', run)} s")
    if not (run / "evaluation.json").is_file():
        labels = ",".join(str(2 * count) for count in PER_CLASS)
        tasks = ("--task", "few-label,linear", "--labels", labels, "--folds", given.draws)
        print(f"evaluated in {tacit('evaluate', run, given.data, *tasks)} s")
    found = json.loads((run / "evaluation.json").read_text())
    columns = [("few-label", f"{2 * count} in all") for count in PER_CLASS] + [("linear", "all")]
    names = dict.fromkeys(result["row"] for result in found["results"])
    rows = [[name, *(cell(numbers(found, name).get(column)) for column in columns)] for name in names]
    text = markdown(["labels per class", *(str(count) for count in PER_CLASS), "all"], rows)
    print(text, found["verdict"]["sentence"], sep="\n")
    if given.write:
        put("imdb_cpu", text, ROOT / "docs" / "text.md")


if __name__ == "__main__":
    main()
