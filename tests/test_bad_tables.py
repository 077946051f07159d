"""Files of texts that are not as they should be: one clear message with the fix, the right exit code, nothing lost."""

import json
import random

import pytest

from tacit.cli import run

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "runs", "away", "from", "here"]
TEXTS = [" ".join(random.Random(row).choices(WORDS, k=8)) for row in range(60)]


def table(header, cells):
    return "\n".join([header, *(cells(row, text) for row, text in enumerate(TEXTS))]).encode()


def trained(tmp_path, name, content, *words):
    path = tmp_path / name.partition("#")[0]
    path.write_bytes(content)
    column = name[len(path.name) :]
    return run(["train", f"{path}{column}", "--steps", "1", "--out", str(tmp_path / "run"), *words])


REFUSED = [
    ("x.csv", table("body,label", lambda row, text: f"{text},a"), ("its columns are body, label", "'x.csv#body'")),
    ("x.jsonl", b'{"body": "words"}\n', ("no column 'text'", "x.jsonl#body")),
    ("x.csv", table("text,text", lambda row, text: f"{text},b"), ("two columns 'text'",)),
    ("x.csv", table("text,label", lambda row, text: f'"{text},a' if row == 9 else f"{text},b"), ("opens in row 11",)),
    ("x.csv", table("text", lambda row, text: text).decode().encode("utf-16"), ("is UTF-16", "save it as UTF-8")),
    (
        "x.csv",
        table("text", lambda row, text: f"{text} café").decode().encode("latin-1"),
        ("row 2 is no UTF-8 (0xe9)",),
    ),
    (
        "x.csv",
        table("text,label", lambda row, text: f"{text if row % 2 else ''},a"),
        ("it holds no words", "--max-bad 0.50"),
    ),
    ("x.csv", b"text,label\n", ("no records",)),
    ("x.csv", b"", ("no column of paths",)),
    ("x.jsonl", b"", ("no records",)),
    ("x.jsonl", json.dumps([{"text": text} for text in TEXTS]).encode(), ("is no JSON object",)),
    ("x.txt", b"to be or not to be", ("1 text for training",)),
    ("x.jsonl", b'{"text": "raw\0NUL"}\n' * 9, ("is no JSON object",)),
    ("x.csv", b"te\0xt,label\nwords,a\n", ("te\\x00xt",)),
]


@pytest.mark.parametrize(("name", "content", "said"), REFUSED, ids=[f"{n} {said[0]}" for n, _, said in REFUSED])
def test_what_cannot_be_read_is_said_with_the_way_out(tmp_path, capsys, name, content, said):
    assert trained(tmp_path, name, content) == 3
    message = capsys.readouterr().err
    assert "Traceback" not in message
    for words in said:
        assert words in message


READ = [
    (
        "x.csv",
        table("text,label", lambda row, text: f"{text},{'ab'[row % 2] if row % 4 < 2 else ''}"),
        "30 of 60 samples",
    ),
    ("x.csv", table("text,label", lambda row, text: f"{text},a" if row % 3 else text), "20 of 60 samples"),
    ("x.csv", table("Text,Label", lambda row, text: f"{text},a" if row % 3 else f"{text},"), "20 of 60 samples"),
    ("x.csv", table("text", lambda row, text: text + ("\0x" if row == 5 else "")), ""),
    ("x.csv#body", table("body", lambda row, text: text), ""),
    (
        "x.jsonl",
        "\n".join(json.dumps({"text": text, "id": f"\ud800{row}"}) for row, text in enumerate(TEXTS)).encode(),
        "",
    ),
]


@pytest.mark.parametrize(("name", "content", "note"), READ)
def test_what_is_merely_odd_is_read(tmp_path, capsys, name, content, note):
    assert trained(tmp_path, name, content) == 0
    assert note in capsys.readouterr().err
    assert (tmp_path / "run" / "skipped.txt").read_text() == ""
