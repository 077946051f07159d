"""Pairs judge an encoder: what must come out where the answer is known, and the command as a whole."""

import json

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from tacit.cli import run
from tacit.encoder import load
from tacit.proving.similarity import Likeness, Scored, _measured, similarity

TOPICS = [f"word{number}" for number in range(12)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Pairs of texts, the more words in common the higher the score, and an encoder that read them for two steps."""
    folder = tmp_path_factory.mktemp("similar")
    generator = np.random.default_rng(0)
    rows, texts = [], []
    for number in range(60):
        words = generator.permutation(TOPICS)
        shared = number % 5
        first, second = " ".join(words[:4]), " ".join([*words[:shared], *words[4 : 8 - shared]])
        texts += [first, second]
        rows.append(
            {"text1": first, "text2": second, "score": shared if number % 10 else None, "set": "ab"[number % 2]}
        )
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "texts.txt").write_text("".join(text + "\n" for text in texts))
    words = ["train", str(folder / "texts.txt"), "--steps", "2", "--batch", "8", "--out", str(folder / "run")]
    assert run([*words, "--set", "encoder.width=16"]) == 0
    return folder


def test_all_floors_stand_in_one_table_with_intervals(place):
    proof = similarity(load(place / "run"), str(place / "pairs.jsonl"))
    rows = {result.row for result in proof.evaluation.results}
    assert rows == {"simclr", "untrained", "word counts", "LSA", "TF-IDF"}
    for result in proof.evaluation.results:
        assert -1 <= result.low <= result.value + 1e-9
        assert result.value - 1e-9 <= result.high <= 1
        assert result.protocol["rows_without_score"] == 6
        assert result.protocol["pairs"] == {"a": 24, "b": 30}
    by_metric = {r.metric: r.value for r in proof.evaluation.results if r.row == "TF-IDF"}
    assert by_metric["Spearman, all pairs"] > 0.8, "words in common are what the score counts"
    assert by_metric["Spearman, mean of sets"] == pytest.approx(
        (by_metric["Spearman, a"] + by_metric["Spearman, b"]) / 2
    )
    assert "untrained" in proof.evaluation.verdict.sentence or "TF-IDF" in proof.evaluation.verdict.sentence


def test_the_correlation_is_that_of_the_cosines_of_the_embeddings(place):
    encoder = load(place / "run")
    proof = similarity(encoder, str(place / "pairs.jsonl"))
    rows = [json.loads(line) for line in (place / "pairs.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["score"] is not None]
    first, second = (
        encoder.encode([row[name] for row in rows], normalize_embeddings=True) for name in ("text1", "text2")
    )
    expected = spearmanr((first * second).sum(1), [row["score"] for row in rows]).statistic
    assert proof.evaluation.find("simclr", "similarity", "Spearman, all pairs").value == pytest.approx(
        expected, abs=1e-3
    )


def test_resamples_are_the_same_for_all_rows_so_that_differences_are_paired():
    generator = torch.Generator().manual_seed(0)
    cosine = torch.rand(1, 40, generator=generator)
    scored = Scored(
        torch.zeros(40, 2).long(), torch.rand(40, generator=generator).double(), torch.zeros(40).long(), ["x"]
    )
    first, second = (Likeness(name, "raw", cosine, {}) for name in "ab")
    measured = {(one.row, one.metric): one for one in _measured([first, second], scored, {}, seed=0)}
    for metric in ("Spearman", "Pearson"):
        assert torch.equal(measured["a", metric].draws, measured["b", metric].draws)
        assert measured["a", metric].draws.std() > 0


def test_the_command_writes_its_table_and_holds_to_limits(place, capfd):
    words = ["evaluate", str(place / "run"), str(place / "pairs.jsonl"), "--task", "similarity"]
    assert run([*words, "--fail-under", "similarity=0.999", "--out", str(place / "out")]) == 4
    assert "TF-IDF" in capfd.readouterr().out
    assert json.loads((place / "out" / "similarity.json").read_text())["verdict"]["sentence"]
