"""What a model of language is worth in bits, and what it writes."""

import copy
import json
import math

import numpy as np
import pytest
import torch

import tacit
from tacit.applying.writing import write
from tacit.errors import DataError, UsageError
from tacit.proving.language import Texts, language, tell

WHO, DOES, WHERE = ("the cat", "a dog", "my aunt"), ("sleeps", "eats", "sings"), ("at home", "in town", "by the sea")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("language")
    generator = np.random.default_rng(0)
    lines = []
    for number in range(300):
        who, does, where = (part[generator.integers(3)] for part in (WHO, DOES, WHERE))
        lines.append({"text": f"{who} {does} {where}.", "split": "test" if number % 5 == 0 else "train"})
    (path / "data.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def encoder(folder):
    settings = {"budget": {"steps": 60}, "batch": 32}
    return tacit.train(folder / "data.jsonl", folder / "run", method="causal-prediction", settings=settings)


def test_it_beats_frequencies_and_says_what_counts_reach(encoder, folder):
    proof = language(encoder, str(folder / "data.jsonl"))
    found = {result.row: result for result in proof.evaluation.results}
    assert list(found) == ["causal-prediction", "untrained", "5-gram counts", "frequencies"]
    own = found["causal-prediction"]
    assert own.value < found["frequencies"].value < found["untrained"].value
    # three choices among three, spread over the bytes of a sentence
    least = 3 * math.log2(3) / (own.protocol["bytes"] / own.protocol["texts"])
    assert least < found["5-gram counts"].value < 1.5 * least
    assert own.low < own.value < own.high
    gains = {difference.row: difference.value for difference in proof.evaluation.differences}
    assert gains["frequencies"] == pytest.approx(found["frequencies"].value - own.value)
    if own.value > found["5-gram counts"].value:
        assert not proof.evaluation.verdict.helped


def test_a_long_text_is_told_piece_by_piece_and_each_token_once(encoder):
    ids = np.arange(4, 4 + 50) % encoder.network.table.shape[0]
    counts = torch.ones(len(encoder.network.table))
    whole = tell(encoder, Texts([], [ids], len(counts), 64), counts, "whole")
    pieces = tell(encoder, Texts([], [ids], len(counts), 16), counts, "pieces")
    assert 0.5 < pieces.item() / whole.item() < 2
    blank = copy.deepcopy(encoder)
    torch.nn.init.zeros_(blank.network.stem.vectors.weight)  # all ids are then as likely
    for context in (16, 17, 64):
        told = tell(blank, Texts([], [ids], len(counts), context), counts, "blank")
        assert told.item() == pytest.approx(50 * math.log(len(counts)), rel=1e-4)


def test_it_writes_what_it_has_read(encoder):
    (text,) = write(encoder, "the cat", tokens=12, temperature=0)
    assert text.startswith("the cat ")
    assert any(word in text for word in DOES)
    assert write(encoder, "the cat", tokens=12, temperature=0) == [text]
    first, second = write(encoder, "a dog", tokens=12, temperature=1.0, count=2, seed=1)
    assert first != second
    assert write(encoder, "", tokens=3)


def test_what_cannot_write_says_so(encoder, folder):
    settings = {"method": {"name": "simclr"}, "budget": {"steps": 2}, "batch": 16}
    bag = tacit.train(folder / "data.jsonl", folder / "bag", settings=settings)
    with pytest.raises(UsageError, match="--method causal-prediction"):
        write(bag, "the")
    with pytest.raises(UsageError, match="--method causal-prediction"):
        language(bag, str(folder / "data.jsonl"))
    with pytest.raises(UsageError, match="--temperature -1"):
        write(encoder, "the", temperature=-1)
    with pytest.raises(DataError, match="no Unicode"):
        write(encoder, "\udc80")
