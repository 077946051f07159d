"""The examination of translation on a made-up language: rows, floors, budgets, and what is refused."""

import json

import pytest
from translation_toys import alone, pairs

from tacit.cli import run
from tacit.encoder import load
from tacit.errors import DataError, UsageError
from tacit.proving.exams import judge
from tacit.proving.outcome import write
from tacit.proving.translation import Effort, prepare, rows, translate


@pytest.fixture(scope="module")
def exam(tmp_path_factory):
    home = tmp_path_factory.mktemp("translation")
    words = ["--method", "denoising-seq2seq", "--steps", "50", "--batch", "32", "--set", "precision=fp32"]
    assert run(["train", str(alone(home / "alone.jsonl")), *words, "--out", str(home / "run")]) == 0
    return load(home / "run"), pairs(home / "pairs.jsonl")


def test_rows_budgets_and_floors(exam, tmp_path):
    encoder, data = exam
    proof = translate(encoder, str(data), totals=(40, 160), effort=Effort(steps=20, evaluations=1))
    found = {(result.row, result.metric): result for result in proof.evaluation.results}
    rows = list(dict.fromkeys((result.row, result.kind) for result in proof.evaluation.results))
    assert rows == [("denoising-seq2seq", "encoder"), ("from scratch", "scratch"), ("IBM model 1", "raw"),
                    ("nearest source", "raw"), ("usual text", "majority")]  # fmt: skip
    for result in found.values():
        assert result.low <= result.value <= result.high
    assert found["denoising-seq2seq", "BLEU, 160 pairs"].value > found["from scratch", "BLEU, 160 pairs"].value
    assert found["IBM model 1", "BLEU, 160 pairs"].value > found["nearest source", "BLEU, 160 pairs"].value
    assert "tok:13a" in found["IBM model 1", "BLEU, 160 pairs"].protocol["signatures"]["BLEU"]
    assert "With 40 pairs pre-training reaches BLEU" in proof.evaluation.verdict.sentence
    (path,) = write(proof, tmp_path)
    assert path.name == "translation.json"
    assert len(json.loads(path.read_text())["results"]) == 20


def test_a_training_that_was_kept_goes_on_to_the_same_texts(exam, tmp_path, capfd):
    encoder, data = exam
    trial = prepare(encoder, str(data), totals=(40,), effort=Effort(steps=2, evaluations=1), keep=tmp_path / "kept")
    first = rows(trial)[0].write(trial, 40, 0)
    assert "resumed" not in capfd.readouterr().err
    assert rows(trial)[0].write(trial, 40, 0) == first
    assert "resumed at step 2 of 2" in capfd.readouterr().err


def test_numbers_of_pairs_are_checked(exam):
    encoder, data = exam
    with pytest.raises(UsageError, match="from 1 to 160"):
        judge(encoder, str(data), tasks=("translate",), totals=(500,))


def test_what_has_no_targets_cannot_be_judged(exam, tmp_path):
    encoder, _ = exam
    with pytest.raises(DataError, match="no column 'target'"):
        judge(encoder, str(alone(tmp_path / "x.jsonl", 20)), tasks=("translate",))
