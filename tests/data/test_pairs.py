import csv
import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tacit.data.pairs import open_pairs
from tacit.errors import DataError

ROWS = [
    {"text1": 'He said "no".', "text2": '"Then he left.', "score": "4.5", "set": "a"},
    {"text1": "a cat", "text2": "a dog", "score": "1", "set": "b"},
    {"text1": "a cat", "text2": "two, or three", "score": "", "set": "b"},
    {"text1": "a dog", "text2": '"quoted"', "score": "2", "set": "b"},
]


def opened(path):
    return open_pairs(str(path), frozenset({".txt"}), "text")


def written(path, rows=ROWS):
    name = path.name.removesuffix(".gz")
    if name.endswith(".jsonl"):
        text = "".join(
            json.dumps({**row, "score": float(row["score"]) if row["score"] else None}) + "\n" for row in rows
        )
    elif name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist([{**row, "score": float(row["score"] or "nan")} for row in rows]), path)
        return path
    elif name.endswith(".tsv"):  # as the field writes them: no quotes around cells
        text = "\n".join("\t".join(cells) for cells in ([*rows[0]], *([*row.values()] for row in rows)))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        text = path.read_text()
    path.write_bytes(gzip.compress(text.encode()) if path.name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.tsv.gz", "x.jsonl", "x.jsonl.gz", "x.csv.gz", "x.parquet"])
def test_every_format_gives_the_same_pairs(tmp_path, name):
    pairs = opened(written(tmp_path / name))
    texts = [pairs.source.raw(row).decode() for row in range(len(pairs.source))]
    read = [[texts[row] for row in pair] for pair in pairs.rows.tolist()]
    wanted = [[row["text1"], row["text2"]] for row in ROWS if row["score"]]
    if ".tsv" in name:
        wanted[-1][1] = "quoted"  # quotes around a cell are none of its text
    assert read == wanted
    assert pairs.scores.tolist() == [4.5, 1, 2]
    assert [pairs.names[number] for number in pairs.sets] == ["a", "b", "b"]
    assert (pairs.unscored, pairs.damaged) == (1, ())


def test_a_sample_of_several_pairs_stands_once(tmp_path):
    pairs = opened(written(tmp_path / "x.jsonl"))
    assert pairs.rows[1, 1] == pairs.rows[2, 0]
    assert len(pairs.source) == 5


@pytest.mark.parametrize(
    "names", [("sentence1", "sentence2", "score"), ("sentence_A", "sentence_B", "relatedness_score")]
)
def test_the_fields_names_are_known_and_files_are_sets(tmp_path, names):
    for stem in ("one", "two"):
        (tmp_path / f"{stem}.csv").write_text(f"{','.join(names)}\n{stem} a,{stem} b,1\n{stem} c,d,2\n")
    for data in (tmp_path, tmp_path / "{one,two}.csv"):
        pairs = opened(data)
        assert pairs.names == ("one", "two")
        assert pairs.sets.tolist() == [0, 0, 1, 1]


def test_cells_name_files_where_samples_are_files(tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / name)
    (tmp_path / "x.csv").write_text("path1,path2,score\na.png,b.png,1\n./a.png,gone.png,0\n")
    pairs = open_pairs(str(tmp_path / "x.csv"), frozenset({".png"}), None)
    assert pairs.rows.tolist() == [[0, 1], [0, 2]]
    assert pairs.source.raw(0) == (tmp_path / "a.png").read_bytes()
    assert list(pairs.source.refused) == [2]


def test_the_key_of_the_cache_changes_with_the_texts(tmp_path):
    first = opened(written(tmp_path / "x.jsonl")).source.fingerprint
    changed = [{**ROWS[0], "text1": "another"}, *ROWS[1:]]
    assert opened(written(tmp_path / "x.jsonl", changed)).source.fingerprint != first


def test_rows_that_are_no_pair_are_counted_with_the_reason(tmp_path):
    (tmp_path / "x.jsonl").write_text(
        '{"text1": "a", "text2": "b", "score": 1}\n{"text1": "a", "score": 2}\nnonsense\n'
        '{"text1": "a", "text2": "b", "score": "high"}\n{"text1": 3, "text2": "b", "score": 1}\n'
        '{"text1": "\\ud800", "text2": "b", "score": 1}\n{"text1": "a", "text2": "c", "score": Infinity}\n'
    )
    pairs = opened(tmp_path / "x.jsonl")
    assert len(pairs.rows) == 1
    assert len(pairs.damaged) == 6
    for reason in ("missing", "no JSON", "no number: 'high'", "no text", "no Unicode"):
        assert any(reason in said for said in pairs.damaged), reason


def test_no_pairs_is_told(tmp_path):
    (tmp_path / "x.csv").write_text("text1,text2,score\na,b,\n")
    with pytest.raises(DataError, match="1 rows without a score"):
        opened(tmp_path / "x.csv")
