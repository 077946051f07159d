"""Parquet with the samples' bytes in a column: what is read, in which order, and what is said about odd files."""

import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_toys import TOY, ToyConfig, png
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit.data.dataset import open_dataset
from tacit.data.source import open_source
from tacit.errors import DataError, Unreadable

PNG = frozenset({".png"})
COLUMNS = {"x": pa.binary(), "label": pa.string(), "group": pa.string(), "split": pa.string()}


def table(count=6, first=0, **columns):
    return pa.table({"picture": pa.array([png(first + row) for row in range(count)], pa.binary()), **columns})


def write(path, columns, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(columns, path, **options)
    return str(path)


def reason(source, row):
    with pytest.raises(Unreadable) as caught:
        source.raw(row)
    return str(caught.value)


def test_columns_are_known_by_name(tmp_path):
    rows = table(
        3,
        group=["ann", "bob", None],
        fold=pa.array([5, None, 1]),
        split=["train", "test", None],
        file=["x.png", "", "z.png"],
        label=["dog", None, "cat"],
        width=[1, 2, 3],
    )
    source = open_source(write(tmp_path / "x.parquet", rows), PNG)
    assert list(source.names) == ["x.png", "1", "z.png"]
    assert [source.raw(row) for row in range(3)] == [png(0), png(1), png(2)]
    assert source.classes == ("cat", "dog")
    assert source.labels.tolist() == [1, -1, 0]
    assert source.splits.tolist() == [0, 2, -1]
    assert source.groups.tolist() == [0, 1, -1]
    assert list(source.group_names) == ["ann", "bob"]
    assert source.folds.tolist() == [0, -1, 1]
    assert list(source.fold_names) == ["5", "1"]
    assert source.notes == ()


@pytest.mark.parametrize(
    ("labels", "classes", "numbers"),
    [
        (pa.array([10, 9, -1, None]), ("9", "10"), [1, 0, -1, -1]),
        (pa.array([1.0, 0.0, float("nan"), None]), ("0", "1"), [1, 0, -1, -1]),
        (pa.array([True, False, None, True]), ("0", "1"), [1, 0, -1, 1]),
        (pa.array(["b", "a", "", "b"]).dictionary_encode(), ("a", "b"), [1, 0, -1, 1]),
        (pa.array([b"b", b"a", None, b"b"]), ("a", "b"), [1, 0, -1, 1]),
    ],
)
def test_labels_of_every_type(tmp_path, labels, classes, numbers):
    source = open_source(write(tmp_path / "x.parquet", table(4, label=labels)) + "#picture", PNG)
    assert (source.classes, source.labels.tolist()) == (classes, numbers)


def test_class_names_are_those_that_hugging_face_wrote(tmp_path):
    rows = pa.table({"picture": [{"bytes": png(row), "path": f"{row}.png"} for row in range(3)], "kind": [1, 0, -1]})
    features = b'{"info": {"features": {"kind": {"names": ["cat", "dog", "fox"], "_type": "ClassLabel"}}}}'
    write(tmp_path / "x.parquet", rows.replace_schema_metadata({"huggingface": features}))
    source = open_source(str(tmp_path / "x.parquet"), PNG)
    assert list(source.names) == ["0.png", "1.png", "2.png"]
    assert source.classes == ("cat", "dog", "fox")
    assert source.labels.tolist() == [1, 0, -1]
    assert source.raw(2) == png(2)


def test_shards_are_one_set_and_name_their_parts(tmp_path):
    write(tmp_path / "data" / "train-00001.parquet", table(2, 3), row_group_size=1)
    write(tmp_path / "data" / "train-00000.parquet", table(3))
    write(tmp_path / "data" / "test-00000.parquet", table(1, 9))
    source = open_source(str(tmp_path / "data"), PNG)
    assert [source.raw(row) for row in range(6)] == [png(seed) for seed in (9, 0, 1, 2, 3, 4)]
    assert source.splits.tolist() == [2, 0, 0, 0, 0, 0]
    chosen = open_source(f"{tmp_path}/data/train-{{00000..00001}}.parquet", PNG)
    assert [chosen.raw(row) for row in range(5)] == [png(seed) for seed in range(5)]
    assert chosen.splits is None


def test_any_order_of_reading_gives_the_same_samples(tmp_path):
    """Rows are decoded on from where the last reader stood; threads and steps back must not mix them up."""
    source = open_source(write(tmp_path / "x.parquet", table(60), row_group_size=25), PNG)
    rng = np.random.default_rng(0)
    wrong = []

    def read(rows):
        wrong.extend(row for row in rows if source.raw(int(row)) != png(int(row)))

    threads = [threading.Thread(target=read, args=(rng.permutation(60),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_set_is_packed_like_its_files(tmp_path):
    write(tmp_path / "x.parquet", table(40, label=[row % 2 for row in range(40)]), row_group_size=7)
    packed = open_dataset(str(tmp_path / "x.parquet"), TOY, ToyConfig(), cache_dir=tmp_path / "cache")
    (tmp_path / "files").mkdir()
    for row in range(40):
        (tmp_path / "files" / f"{row:02}.png").write_bytes(png(row))
    files = open_dataset(str(tmp_path / "files"), TOY, ToyConfig(), cache_dir=tmp_path / "cache")
    assert packed.content_hash == files.content_hash


def test_the_fingerprint_follows_the_file_and_the_column(tmp_path):
    path = write(tmp_path / "x.parquet", table(2, other=[png(7), png(8)]))
    first, other = (open_source(f"{path}#{column}", PNG) for column in ("picture", "other"))
    assert first.fingerprint == open_source(f"{path}#picture", PNG).fingerprint
    assert first.fingerprint != other.fingerprint
    write(tmp_path / "x.parquet", table(2, 5, other=[png(7), png(8)]))
    assert open_source(f"{path}#picture", PNG).fingerprint != first.fingerprint


def test_rows_without_bytes_are_listed(tmp_path):
    column = [None, {"bytes": None, "path": "/home/ann/1.png"}, {"bytes": png(2), "path": None}]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    write(tmp_path / "x.parquet", pa.table({"x": pa.array(column, kind)}))
    source = open_source(str(tmp_path / "x.parquet"), PNG)
    assert source.name(1) == "/home/ann/1.png"
    for row in (0, 1):
        assert reason(source, row) == "the table holds no bytes for it; paths alone are not followed"
    assert source.raw(2) == png(2)


def test_large_values_are_refused(tmp_path, monkeypatch):
    from tacit.data import rows as module

    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    write(tmp_path / "x.parquet", pa.table({"x": [b"small", bytes(2000)]}))
    source = open_source(str(tmp_path / "x.parquet"), PNG)
    assert source.raw(0) == b"small"
    assert "more than the limit" in reason(source, 1)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    rows = pa.table({"x": [bytes(20 * 2**20)]})
    source = open_source(write(tmp_path / "x.parquet", rows, compression="zstd", use_dictionary=False), PNG)
    assert reason(source, 0) == "it unpacks to more than 200 times its size"


def test_a_shard_that_cannot_be_read_is_listed(tmp_path):
    write(tmp_path / "a.parquet", table(2))
    (tmp_path / "b.parquet").write_bytes(b"PAR1 cut off")
    write(tmp_path / "c.parquet", pa.table({"text": ["x"]}))
    write(tmp_path / "d.parquet", table(1, 7))
    source = open_source(str(tmp_path), PNG)
    assert [source.raw(row) for row in range(3)] == [png(0), png(1), png(7)]
    assert "damaged file" in reason(source, 3)
    assert reason(source, 4) == "it lacks the column picture of the first file"
    assert "2 of 4 shards cannot be read" in source.notes[0]


def test_damage_inside_costs_the_rest_of_its_row_group_only(tmp_path):
    path = tmp_path / "x.parquet"
    write(path, table(9), row_group_size=3, compression="snappy", use_dictionary=False)
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(0)
    raw = bytearray(path.read_bytes())
    raw[chunk.data_page_offset : chunk.data_page_offset + 60] = b"\xff" * 60
    path.write_bytes(raw)
    source = open_source(str(path), PNG)
    assert [row for row in range(9) if row not in (3, 4, 5) and source.raw(row) == png(row)] == [0, 1, 2, 6, 7, 8]
    assert "damaged file" in reason(source, 3)
    assert reason(source, 5) == reason(source, 3)


@pytest.mark.parametrize(
    ("rows", "column", "said"),
    [
        (pa.table({"path": ["a"], "label": [1]}), "", r"no column of bytes; its columns are path \(string\)"),
        (table(0), "", "has no rows"),
        (table(1, thumbnail=[b"x"]), "", r"2 columns of bytes: picture, thumbnail.*x\.parquet#picture'"),
        (table(1), "#pictur", "no column of bytes 'pictur'; did you mean 'picture'"),
        (table(1, label=[0.5]), "", "0.5 is no label"),
        (table(1, label=[[1, 2]]), "", "one number or text a sample"),
        (table(1, split=["tset"]), "", "no split is called 'tset'; did you mean 'test'"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, rows, column, said):
    with pytest.raises(DataError, match=said):
        open_source(write(tmp_path / "x.parquet", rows) + column, PNG)


def test_nothing_readable(tmp_path):
    (tmp_path / "list.csv").write_text("path")
    (tmp_path / "y0.parquet").write_bytes(b"")
    (tmp_path / "x.parquet").write_bytes(b"no table")
    with pytest.raises(DataError, match=r"copy it again.*\n.*x\.parquet: damaged file"):
        open_source(str(tmp_path / "x.parquet"), PNG)
    with pytest.raises(DataError, match=r"2 files, and 1 are missing: .*y1\.parquet"):
        open_source(f"{tmp_path}/y{{0..1}}.parquet", PNG)
    with pytest.raises(DataError, match="is no table, so it has no column 'x'"):
        open_source(f"{tmp_path}/list.csv#x", PNG)


def test_a_misspelt_column_is_pointed_out(tmp_path):
    source = open_source(write(tmp_path / "x.parquet", table(1, labels=[3])), PNG)
    assert "rename it to 'label'" in source.notes[0]


@settings(max_examples=25)
@given(st.lists(st.none() | st.text(max_size=5) | st.integers(-3, 1000).map(str), min_size=1, max_size=30))
def test_every_row_keeps_its_label_split_and_group(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("table") / "x.parquet"
    parts = [("train", "test", None)[len(text or "") % 3] for text in texts]
    rows = {"x": [b""] * len(texts), "label": texts, "group": texts, "split": parts}
    source = open_source(write(path, pa.table(rows, pa.schema({name: COLUMNS[name] for name in rows}))), PNG)
    told = [(text or "").strip() or None for text in texts]
    whole = all(text.removeprefix("-").isdecimal() for text in told if text)
    labels = [None if text is None or (whole and text.startswith("-")) else text for text in told]
    assert [source.classes[code] if code >= 0 else None for code in source.labels.tolist()] == labels
    groups = [-1] * len(texts) if source.groups is None else source.groups.tolist()
    assert [source.group_names[code] if code >= 0 else None for code in groups] == told
    splits = [-1] * len(texts) if source.splits is None else source.splits.tolist()
    assert splits == [{"train": 0, "test": 2, None: -1}[part] for part in parts]
