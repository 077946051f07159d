"""Known-item search on a CPU: the first half of a review looks for its second half; writes a table of docs/text.md.

    python benchmarks/known_item_cpu.py --write

IMDb (Maas et al. 2011) is looked up in $TACIT_DATA/text/imdb. Protocol: the reviews of the test part that are at hand,
identical ones once, in the order of a hash, the first 10,000 of at least 40 words; each is cut in the middle of its
words. Documents are the 10,000 second halves, queries the first halves of the first 1,000, each with one answer. The
encoder has read the training part alone, for a minute. BM25, TF-IDF and LSA are fitted to the documents.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
from pathlib import Path

from tables import ROOT, cell, markdown, numbers, put, tacit

DOCUMENTS, QUERIES, SHORTEST = 10_000, 1_000, 40
METRICS = ("nDCG@10", "MRR@10", "recall@10", "recall@100")


def convert(home: Path, folder: Path) -> Path:
    """A folder as those of BEIR: corpus.jsonl, queries.jsonl, qrels.tsv."""
    texts: dict[str, None] = {}
    for path in sorted(home.glob("test_*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            texts |= dict.fromkeys(json.loads(line)["text"] for line in file)
    cut = [text.split() for text in sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())]
    halves = [
        (" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :]))
        for words in cut
        if len(words) >= SHORTEST
    ][:DOCUMENTS]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "corpus.jsonl").open("w") as corpus, (folder / "queries.jsonl").open("w") as queries:
        for number, (first, second) in enumerate(halves):
            corpus.write(json.dumps({"_id": f"d{number}", "text": second}) + "\n")
            if number < QUERIES:
                queries.write(json.dumps({"_id": f"q{number}", "text": first}) + "\n")
    lines = [f"q{number}\td{number}\t1\n" for number in range(min(QUERIES, len(halves)))]
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))
    return folder


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=Path(os.environ.get("TACIT_DATA", ".")) / "text" / "imdb")
    arguments.add_argument("--time", default="60s")
    arguments.add_argument("--runs", type=Path, default=Path("runs/known_item_cpu"))
    arguments.add_argument("--write", action="store_true", help="put the table into docs/text.md")
    given = arguments.parse_args()
    folder = convert(given.data, given.runs / "halves")
    run = given.runs / "imdb"
    if not (run / "encoder" / "model.safetensors").is_file():
        print(f"trained in {tacit('train', 'imdb', '--time', given.time, '--out', run)} s")
    if not (run / "search.json").is_file():
        print(f"evaluated in {tacit('evaluate', run, folder, '--task', 'search')} s")
    found = json.loads((run / "search.json").read_text())
    names = dict.fromkeys(result["row"] for result in found["results"])
    rows = [[name, *(cell(numbers(found, name).get(("search", metric))) for metric in METRICS)] for name in names]
    text = markdown(["1,000 first halves", *METRICS], rows)
    print(text, found["verdict"]["sentence"], sep="\n")
    if given.write:
        put("known_item_cpu", text, ROOT / "docs" / "text.md")


if __name__ == "__main__":
    main()
