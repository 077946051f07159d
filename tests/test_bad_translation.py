"""Pairs that are no pairs: one message with what to do, and what can be used is used."""

import json

import pytest
from translation_toys import alone, pairs, sentences

from tacit.cli import run


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    home = tmp_path_factory.mktemp("bad")
    words = ["--method", "denoising-seq2seq", "--steps", "1", "--batch", "8", "--set", "precision=fp32"]
    assert run(["train", str(alone(home / "alone.jsonl", 40)), *words, "--out", str(home / "run")]) == 0
    return home / "run"


def lines(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def learn(encoder, data, out, *more):
    words = ["--task", "translate", "--steps", "1", "--batch", "8", *more]
    return run(["finetune", str(encoder), str(data), *words, "--out", str(out)])


ROWS = [{"text": text, "target": target} for text, target in sentences(60)]
WITHOUT = [{"text": row["text"]} for row in ROWS]
EMPTY = [{**row, "target": ""} for row in ROWS]
NUMBERS = [{**row, "target": number} for number, row in enumerate(ROWS)]
MISNAMED = [{"text": row["text"], "translation": row["target"]} for row in ROWS]


@pytest.mark.parametrize(
    ("rows", "said"),
    [(WITHOUT, "no column 'target'"), (MISNAMED, "no column 'target'"), (EMPTY, "no sample"), (NUMBERS, "no sample")],
)
def test_targets_that_are_missing_are_asked_for(encoder, tmp_path, capfd, rows, said):
    assert learn(encoder, lines(tmp_path / "x.jsonl", rows), tmp_path / "out") == 3
    error = capfd.readouterr().err
    assert said in error
    assert '"target": "A dog."' in error
    assert "Traceback" not in error


def test_some_empty_targets_are_left_out_and_counted(encoder, tmp_path, capfd):
    rows = [{**row, "target": None} if number % 6 == 0 else row for number, row in enumerate(ROWS)]
    assert learn(encoder, lines(tmp_path / "x.jsonl", rows), tmp_path / "out") == 0
    assert "are left out: no label" in capfd.readouterr().err


def test_a_target_column_of_a_table_and_of_a_compressed_one(encoder, tmp_path):
    import gzip

    text = "text;target\n" + "".join(f'"{row["text"]}";"{row["target"]}"\n' for row in ROWS)
    (tmp_path / "x.csv").write_text(text)
    (tmp_path / "y.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("x.csv", "y.csv.gz"):
        assert learn(encoder, tmp_path / name, tmp_path / f"out-{name}") == 0


def test_long_targets_are_named(encoder, tmp_path, capfd):
    rows = [{**row, "target": " ".join([row["target"]] * 30)} for row in ROWS]
    assert learn(encoder, lines(tmp_path / "x.jsonl", rows), tmp_path / "out") == 0
    assert "may be cut" in capfd.readouterr().err


def test_classes_cannot_be_learnt_from_targets_and_the_task_is_named(encoder, tmp_path, capfd):
    data = lines(tmp_path / "x.jsonl", ROWS)
    assert run(["finetune", str(encoder), str(data), "--steps", "1", "--out", str(tmp_path / "out")]) == 3
    assert "--task translate" in capfd.readouterr().err
    assert run(["evaluate", str(encoder), str(data)]) == 3
    assert "--task translate" in capfd.readouterr().err


def test_mixtures_of_texts_make_no_sense(encoder, tmp_path, capfd):
    data = pairs(tmp_path / "x.jsonl", 60)
    assert learn(encoder, data, tmp_path / "out", "--mixup") == 2
    assert "mix-up makes no sense for translate" in capfd.readouterr().err


def test_images_are_not_translated(tmp_path, capfd):
    out = tmp_path / "digits"
    assert run(["train", "digits", "--steps", "1", "--batch", "8", "--out", str(out)]) == 0
    assert run(["finetune", str(out), "digits", "--task", "translate", "--out", str(tmp_path / "x")]) == 2
    assert "task translate needs spell" in capfd.readouterr().err
