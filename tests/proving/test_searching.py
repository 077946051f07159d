"""Queries judge an encoder: what must come out where the answer is known, and the command as a whole."""

import json

import pytest
import torch

from tacit.cli import run
from tacit.encoder import load
from tacit.proving.searching import Library, Ranked, _measured, _without_itself, search


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Each of forty documents has a word of its own, and a query asks for it; two queries stand among the documents."""
    folder = tmp_path_factory.mktemp("found")
    texts = [f"own{number} word{number % 5} word{number % 7}" for number in range(40)]
    (folder / "x").mkdir()
    corpus = [{"_id": f"d{number}", "text": text} for number, text in enumerate(texts)]
    queries = [{"_id": f"q{number}", "text": f"own{number}"} for number in range(38)]
    queries += [{"_id": f"q{number}", "text": texts[number]} for number in (38, 39)]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / "x" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = "".join(f"q{number}\td{number}\t1\n" for number in range(40))
    (folder / "x" / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + lines)
    (folder / "texts.txt").write_text("".join(f"{text}\n" for text in texts * 2))
    words = ["train", str(folder / "texts.txt"), "--steps", "2", "--batch", "8", "--out", str(folder / "run")]
    assert run([*words, "--set", "encoder.width=16"]) == 0
    return folder


def test_all_floors_stand_in_one_table_and_words_find_what_holds_them(place, capfd):
    proof = search(load(place / "run"), str(place / "x"))
    assert "2 queries have no answer but themselves" in capfd.readouterr().err
    found = {(result.row, result.metric): result for result in proof.evaluation.results}
    assert {row for row, _ in found} == {"simclr", "untrained", "word counts", "LSA", "TF-IDF", "BM25"}
    for metric in ("nDCG@10", "MRR@10", "recall@10", "recall@100"):
        assert found["BM25", metric].value == found["TF-IDF", metric].value == 1
    assert found["BM25", "nDCG@10"].protocol["queries"] == 38
    assert found["untrained", "nDCG@10"].protocol["values"] != [1, 1, 1]


def test_a_query_does_not_find_itself():
    library = Library(torch.tensor([0, 1]), torch.tensor([5, 0, 1]), {0: {0: 1.0}, 1: {0: 1.0}})
    found = _without_itself(torch.tensor([[[1, 0, 2], [0, 1, 2]]]), library)
    assert found.tolist() == [[[0, 2, -1], [0, 1, -1]]]


def test_the_measures_of_a_known_ranking():
    library = Library(torch.tensor([0, 1]), torch.arange(2, 6), {0: {2: 1.0}, 1: {0: 2.0, 3: 1.0}})
    ranked = Ranked("row", "raw", torch.tensor([[[2, 0, 1, 3], [1, 3, 2, 0]]]), {})
    measured = {one.metric: one for one in _measured(ranked, library, torch.ones(1, 2).double(), {})}
    assert float(measured["MRR@10"].values) == pytest.approx((1 + 1 / 2) / 2)
    assert float(measured["recall@10"].values) == 1
    discount = torch.log2(torch.arange(2.0, 6.0))
    second = (1 / discount[1] + 2 / discount[3]) / (2 / discount[0] + 1 / discount[1])
    assert float(measured["nDCG@10"].values) == pytest.approx(float((1 + second) / 2), abs=1e-6)
    assert float(measured["nDCG@10"].draws) == pytest.approx(float(measured["nDCG@10"].values))


def test_the_command_writes_its_table(place):
    assert run(["evaluate", str(place / "run"), str(place / "x"), "--task", "search", "--out", str(place / "out")]) == 0
    assert json.loads((place / "out" / "search.json").read_text())["verdict"]["sentence"]
