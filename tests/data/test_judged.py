import json

import pytest

from tacit.data.judged import open_judged
from tacit.errors import DataError

CORPUS = [
    {"_id": "d1", "title": "Cats", "text": "they purr"},
    {"_id": "d2", "text": "dogs bark"},
    {"_id": 3, "text": "x"},
]
QUERIES = [{"_id": "q1", "text": "who purrs"}, {"_id": "q2", "text": "who barks"}, {"_id": "q3", "text": "who sings"}]
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\t3\t1\nq2\td2\t1\nq2\td2\t1\nq9\td1\t1\nq2\td1\thigh\n"


def library(folder, qrels="qrels/test.tsv", corpus=CORPUS):
    (folder / qrels).parent.mkdir(parents=True, exist_ok=True)
    for name, rows in (("corpus", corpus), ("queries", QUERIES)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / qrels).write_text(QRELS)
    return str(folder)


@pytest.mark.parametrize("qrels", ["qrels.tsv", "qrels/test.tsv"])
def test_a_folder_of_beir_is_read(tmp_path, qrels):
    found = open_judged(library(tmp_path / "x", qrels), frozenset({".txt"}), "text")
    texts = [found.source.raw(row).decode() for row in range(len(found.source))]
    assert [texts[row] for row in found.documents] == ["Cats they purr", "dogs bark", "x"]
    assert [texts[row] for row in found.queries] == ["who purrs", "who barks"]
    assert list(zip(found.query, found.document, found.relevance, strict=True)) == [(0, 0, 2), (1, 2, 1), (1, 1, 1)]
    assert found.unanswered == 1
    assert len(found.lost) == 2


def test_what_is_missing_is_named(tmp_path):
    folder = library(tmp_path / "x")
    (tmp_path / "x" / "queries.jsonl").unlink()
    with pytest.raises(DataError, match="has no queries"):
        open_judged(folder, frozenset(), "text")
    with pytest.raises(DataError, match="no folder"):
        open_judged(str(tmp_path / "none"), frozenset(), "text")
    with pytest.raises(DataError, match="two samples with the id 'd1'"):
        open_judged(library(tmp_path / "y", corpus=[*CORPUS, CORPUS[0]]), frozenset(), "text")
