"""The examination of translation on a made-up language: rows, floors, budgets, and what is refused."""

import json
import shutil

import pytest
from translation_toys import alone, pairs

from tacit.cli import run
from tacit.encoder import load
from tacit.errors import DataError, UsageError
from tacit.proving.exams import judge
from tacit.proving.outcome import write
from tacit.proving.translation import translate
from tacit.proving.trial import Effort


@pytest.fixture(scope="module")
def exam(tmp_path_factory):
    home = tmp_path_factory.mktemp("translation")
    words = ["--method", "denoising-seq2seq", "--steps", "50", "--batch", "32", "--set", "precision=fp32"]
    assert run(["train", str(alone(home / "alone.jsonl")), *words, "--out", str(home / "run")]) == 0
    return load(home / "run"), pairs(home / "pairs.jsonl")


def test_rows_budgets_and_floors(exam, tmp_path):
    encoder, data = exam
    effort = Effort(steps={}, steps_all=20, draws=1, batch=64, evaluations=1)
    proof = translate(encoder, str(data), totals=(40, 160), effort=effort)
    found = {(result.row, result.metric): result for result in proof.evaluation.results}
    rows = list(dict.fromkeys((result.row, result.kind) for result in proof.evaluation.results))
    assert rows == [("denoising-seq2seq", "encoder"), ("from scratch", "scratch"), ("IBM model 1", "raw"),
                    ("nearest source", "raw"), ("usual text", "majority")]  # fmt: skip
    for result in found.values():
        assert result.low <= result.value <= result.high
    assert found["denoising-seq2seq", "BLEU, all pairs"].value > found["from scratch", "BLEU, all pairs"].value
    assert found["IBM model 1", "BLEU, all pairs"].value > found["nearest source", "BLEU, all pairs"].value
    protocol = found["IBM model 1", "BLEU, all pairs"].protocol
    assert "tok:13a" in protocol["signatures"]["BLEU"]
    assert protocol["example"].endswith(".")
    assert protocol["samples"] == 160
    assert "With 40 pairs pre-training reaches BLEU" in proof.evaluation.verdict.sentence
    (path,) = write(proof, tmp_path)
    assert path.name == "translation.json"
    assert len(json.loads(path.read_text())["results"]) == 20


def test_another_decoder_is_another_training(exam, tmp_path, capfd):
    """The encoder alone says nothing of what the head takes over."""
    encoder, data = exam
    effort = Effort(steps={}, steps_all=2, draws=1, batch=8)
    with_its_run = translate(encoder, str(data), effort=effort)
    shutil.copytree(encoder.path, tmp_path / "alone")
    capfd.readouterr()
    without = translate(load(tmp_path / "alone"), str(data), effort=effort)
    said = capfd.readouterr().err
    assert "1 of 2 trainings are there already" in said
    assert "the decoder begins at random" in said
    values = [{(one.row, one.metric): one.value for one in each.evaluation.results} for each in (with_its_run, without)]
    assert {row for row, metric in values[0] if values[0][row, metric] != values[1][row, metric]} == {
        "denoising-seq2seq"
    }


def test_numbers_of_pairs_are_checked(exam):
    encoder, data = exam
    with pytest.raises(UsageError, match="from 2 to 160, the pairs there are"):
        judge(encoder, str(data), tasks=("translate",), totals=(500,))


def test_what_has_no_targets_cannot_be_judged(exam, tmp_path):
    encoder, _ = exam
    with pytest.raises(DataError, match="no column 'target'"):
        judge(encoder, str(alone(tmp_path / "x.jsonl", 20)), tasks=("translate",))
