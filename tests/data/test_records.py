import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tacit.data.kind import kind_of
from tacit.data.source import open_source
from tacit.errors import DataError, Unreadable
from tacit.modalities import MODALITIES

ROWS = [
    {"text": f"a line of words, number {n}", "label": "ab"[n % 2], "id": f"n{n}", "fold": f"{n % 3}"} for n in range(6)
]


def opened(path):
    return open_source(str(path), frozenset({".txt"}), records="text")


def texts(source):
    return [source.raw(row).decode() for row in range(len(source))]


def write(path, rows):
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.csv", "x.csv.gz", "x.tsv", "x.parquet"])
def test_every_format_gives_the_same_texts_labels_and_names(tmp_path, name):
    path = tmp_path / name
    if ".jsonl" in name:
        write(path, ROWS)
    elif name == "x.parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        mark = "\t" if name == "x.tsv" else ","
        lines = [mark.join(ROWS[0]), *(mark.join(f'"{value}"' for value in row.values()) for row in ROWS)]
        content = "\n".join(lines).encode("utf-8-sig")
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    source = opened(path)
    assert texts(source) == [row["text"] for row in ROWS]
    assert source.classes == ("a", "b")
    assert source.labels.tolist() == [0, 1] * 3
    assert source.folds.tolist() == [0, 1, 2] * 2
    assert list(source.fold_names) == ["0", "1", "2"]
    assert source.name(4) == "n4"


def test_rows_may_be_read_in_any_order_and_again(tmp_path):
    source = opened(write(tmp_path / "x.jsonl", ROWS))
    assert [source.raw(row) for row in (4, 1, 1, 5)] == [ROWS[row]["text"].encode() for row in (4, 1, 1, 5)]


def test_shards_follow_each_other_and_their_names_tell_the_parts(tmp_path):
    write(tmp_path / "test_0.jsonl.gz", ROWS[:2])
    write(tmp_path / "train_0.jsonl.gz", ROWS[2:4])
    write(tmp_path / "train_1.jsonl.gz", ROWS[4:])
    source = opened(tmp_path)
    assert texts(source) == [row["text"] for row in ROWS]
    assert source.splits.tolist() == [2, 2, 0, 0, 0, 0]


def test_lines_of_a_text_file_are_samples_and_files_of_a_folder_too(tmp_path):
    (tmp_path / "lines.txt").write_bytes(b"\xef\xbb\xbffirst\r\n\r\nsecond\nlast")
    assert texts(opened(tmp_path / "lines.txt")) == ["first", "second", "last"]
    for label in ("pos", "neg"):
        (tmp_path / "reviews" / label).mkdir(parents=True)
        (tmp_path / "reviews" / label / "0.txt").write_text(f"{label}\nin two lines")
    source = opened(tmp_path / "reviews")
    assert source.classes == ("neg", "pos")
    assert texts(source) == ["neg\nin two lines", "pos\nin two lines"]


def test_what_cannot_be_read_is_a_sample_with_a_reason_and_its_place(tmp_path):
    lines = [
        b'{"text": "good"}',
        b"{nothing",
        b'{"text": "caf\xe9"}',
        b'{"text": 7}',
        b'{"other": 1}',
        b'{"text": "\\ud800 alone"}',
        b'{"text": "NUL \\u0000 stays"}',
    ]
    (tmp_path / "x.jsonl").write_bytes(b"\n".join(lines))
    source = opened(tmp_path / "x.jsonl")
    reasons = {}
    for row in range(len(source)):
        try:
            source.raw(row)
        except Unreadable as error:
            reasons[row] = str(error)
    assert sorted(reasons) == [1, 2, 3, 4, 5]
    assert reasons[1] == f"line 2, at byte {len(lines[0]) + 1}, is no JSON object"
    place = len(lines[0]) + len(lines[1]) + 2 + lines[2].index(b"\xe9")
    assert reasons[2] == f"line 3 is no UTF-8 at byte {place} (0xe9)"
    assert source.raw(6) == b"NUL \x00 stays"


@pytest.mark.parametrize(("name", "content"), [("x.csv", b"txt,label\na,b\n"), ("x.jsonl", b'{"txt": "a"}\n')])
def test_a_missing_column_is_named_with_the_way_to_name_another(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=r"no column 'text'.*txt.*#"):
        opened(tmp_path / name)
    assert texts(open_source(f"{tmp_path / name}#txt", frozenset(), records="text")) == ["a"]


def test_a_truncated_archive_is_said_to_be_one(tmp_path):
    path = write(tmp_path / "x.jsonl.gz", ROWS * 50)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="Copy it again"):
        opened(path)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("x.jsonl", b'{"text": "a"}\n', "text"),
        ("x.csv", b"text,label\na,b\n", "text"),
        ("x.csv", b"path,label\na.png,b\n", "image"),
        ("x.csv", b"path,text\na.png,b\n", "image"),
        ("x.txt", b"a.png\nb.png\n", "image"),
        ("x.txt", b"To be, or not to be\n", "text"),
        ("x.png", b"", "image"),
        ("x.csv", b"label,path\nb,a.flac\n", "audio"),
        ("x.csv", b"label,file\nb,a.xyz\n", None),
        ("x.wav", b"", "audio"),
        ("x.npy", b"", None),
        ("folder/x.txt", b"words", "text"),
        ("folder/x.jpg", b"", "image"),
        ("folder/train.jsonl", b'{"text": "a"}\n', "text"),
    ],
)
def test_the_kind_of_data_is_told_by_names(tmp_path, name, content, kind):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    assert kind_of(str(tmp_path / name.split("/")[0]), MODALITIES) == kind


def test_built_in_names_have_a_kind_and_what_is_not_there_has_none(tmp_path):
    assert kind_of("imdb", MODALITIES) == "text"
    assert kind_of("digits", MODALITIES) == "image"
    assert kind_of(str(tmp_path / "nothing"), MODALITIES) is None
    assert kind_of("a\0b", MODALITIES) is None


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", b"text,text\na,b\n", "two columns 'text'"),
        (
            "x.csv",
            b'text,label\n"never closed,a\nb,c\nd,e\n',
            "opens in row 2 is never closed, and swallows the 2 lines",
        ),
        ("x.csv", "text,label\na,b\n".encode("utf-16"), "UTF-16"),
        ("x.jsonl", '{"text": "a"}'.encode("utf-16"), "UTF-16"),
    ],
)
def test_a_file_that_would_be_misread_is_refused_with_the_reason(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        opened(tmp_path / name)
    if said in ("two columns 'text'", "UTF-16"):  # the header is enough to see it, and the user is not told of images
        with pytest.raises(DataError, match=said):
            kind_of(str(tmp_path / name), MODALITIES)


def test_quotes_may_hold_lines_and_a_last_one_may_be_open(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('text,label\n"two\nlines",a\n5" of rain,b\n"open,c')
    assert texts(opened(path)) == ["two\nlines", '5" of rain', "open,c"]


def test_names_of_columns_may_be_capitalised_unless_both_are_there(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("Text,LABEL,Split\nwords,a,train\n")
    source = opened(path)
    assert texts(source) == ["words"]
    assert (source.classes, source.splits.tolist()) == (("a",), [0])
    assert kind_of(str(path), MODALITIES) == "text"
    path.write_text("text,Text\nsmall,large\n")
    assert texts(opened(path)) == ["small"]


def test_several_labels_in_a_list_are_one_cell_and_an_empty_list_says_none(tmp_path):
    rows = [{"text": str(row), "label": label} for row, label in enumerate([["a", "b"], [], "c", None])]
    source = opened(write(tmp_path / "x.jsonl", rows))
    assert source.classes == (";", "a;b", "c")
    assert source.labels.tolist() == [1, 0, 2, -1]
