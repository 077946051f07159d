"""A guess without labels: its rows, what it says, and what it is not given."""

import json

import numpy as np
import pytest
import torch

from tacit.cli import run
from tacit.core import Draws
from tacit.encoder import load
from tacit.errors import DataError
from tacit.evaluation.health import stability
from tacit.proving.proxy import METRIC, proxy


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Sixty pictures of noise in large cells, without labels, and two runs on them."""
    folder = tmp_path_factory.mktemp("proxy")
    cells = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 3), dtype=np.uint8)
    np.save(folder / "noise.npy", cells.repeat(4, axis=1).repeat(4, axis=2))
    for name, width in (("one", 12), ("two", 8)):
        words = ["--steps", "2", "--batch", "4", "--set", f"encoder.width={width}", "--out", str(folder / name)]
        assert run(["train", str(folder / "noise.npy"), *words]) == 0
    return folder


def test_rows_have_intervals_and_no_verdict_and_runs_name_the_best_as_a_guess(place, capfd):
    for name in ("one", "two"):
        assert run(["evaluate", str(place / name), str(place / "noise.npy"), "--task", "proxy"]) == 0
    assert "which no label confirms" in capfd.readouterr().err
    found = {name: json.loads((place / name / "proxy.json").read_text()) for name in ("one", "two")}
    assert [each["row"] for each in found["one"]["results"]] == ["simclr", "untrained", "raw pixels"]
    for each in found["one"]["results"]:
        assert each["metric"] == METRIC
        assert 0 <= each["low"] <= each["value"] <= each["high"] <= 1
    assert found["one"]["verdict"] is None
    values = {name: told["results"][0]["value"] for name, told in found.items()}
    assert run(["runs", str(place / "one"), str(place / "two")]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert f"best by a proxy, for want of labels: {place / max(values, key=values.get)}" in said


def test_it_is_the_measure_that_was_tried(place):
    encoder = load(place / "one")
    samples = encoder.open(str(place / "noise.npy"), seed=3).part("train")
    rows = torch.arange(len(samples))
    strong = encoder.modality.augment(encoder.modality.config())["strong"]
    first, second = (encoder.vectors(strong(samples.view(rows), Draws.of(3, 0, rows, number))) for number in (0, 1))
    found = proxy(encoder, str(place / "noise.npy"), seed=3).evaluation.results[0]
    assert found.value == pytest.approx(stability(first, second))


def test_few_samples_are_refused(place, tmp_path):
    np.save(tmp_path / "few.npy", np.load(place / "noise.npy")[:12])
    with pytest.raises(DataError, match="at least 12"):
        proxy(load(place / "one"), str(tmp_path / "few.npy"))
