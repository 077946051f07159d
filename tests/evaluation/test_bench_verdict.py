"""The bench and its verdict on real digits: yes where something was learnt, no where nothing was."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.svm import SVC
from torch import Tensor

from tacit.core import Samples, View
from tacit.errors import DataError, UsageError
from tacit.evaluation.bench import evaluate
from tacit.evaluation.setup import Bench, Kind, PredictedRow, Row
from tacit.evaluation.tasks import Key, Measurement
from tacit.evaluation.verdict import Contest, exceeds_luck, figure, verdict

torch.set_num_threads(1)


class Rows:
    def __init__(self, x: Tensor) -> None:
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def view(self, rows: Tensor) -> View:
        return View(self.x[rows], index=rows)


def pixels(samples: Samples) -> Tensor:
    return samples.view(torch.arange(len(samples))).x


def projection(seed: int) -> Callable[[Samples], Tensor]:
    """An untrained network: random weights and a rectifier."""
    weights = torch.randn(64, 48, generator=torch.Generator().manual_seed(seed))
    return lambda samples: ((pixels(samples) - 0.3) @ weights / 8).relu()


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Pixels in [0, 1] and labels; they are read from a file of text."""
    data = load_digits()
    return data.data / 16, data.target


def bench(seed: int = 0, sizes: tuple[int, ...] = (1, 10)) -> Bench:
    pixels, labels = digits()
    order = np.random.default_rng(seed).permutation(len(labels))
    x, y = torch.tensor(pixels[order], dtype=torch.float32), torch.tensor(labels[order])
    return Bench(
        train=Rows(x[:500]),
        train_labels=y[:500],
        test=Rows(x[500:900]),
        test_labels=y[500:900],
        classes=[str(digit) for digit in range(10)],
        protocol={"data": "digits"},
        seed=seed,
        sizes=sizes,
        draws=10,
    )


def untrained(name: str, kind: Kind, seed: int) -> Row:
    return Row(name, kind, projection(seed), {"seed": seed}, identity={"seed": seed})


def floors(count: int = 3, first: int = 1000) -> list[Row]:
    return [Row("raw pixels", "raw", pixels), *(untrained("untrained", "untrained", first + n) for n in range(count))]


class Kept:
    """Measurements by facts, for as long as the tests run."""

    def __init__(self) -> None:
        self.found: dict[str, dict[Key, Measurement]] = {}

    def recall(self, facts: Mapping[str, Any]) -> dict[Key, Measurement] | None:
        return self.found.get(json.dumps(facts))

    def keep(self, facts: Mapping[str, Any], found: Mapping[Key, Measurement]) -> None:
        self.found[json.dumps(facts)] = dict(found)


@cache
def kept() -> Kept:
    """Two tests look at the same untrained encoders; whoever comes first measures them."""
    return Kept()


@cache
def machine() -> SVC:
    """It has seen all digits with their labels."""
    return SVC().fit(*digits())


def learnt(samples: Samples) -> Tensor:
    """What a very good encoder would give: the scores of a machine that knows."""
    return torch.tensor(machine().decision_function(pixels(samples).numpy()), dtype=torch.float32)


def tasks(seed: int) -> tuple[str, ...]:
    """Few labels for every seed, all labels (slower) for every fourth."""
    return ("few-label", "linear") if seed % 4 == 0 else ("few-label",)


def test_says_yes_where_something_was_learnt_and_keeps_every_number() -> None:
    patches = Row("patches", "method", lambda samples: pixels(samples).sqrt())
    wrong = {("few-label", "10"): torch.zeros(10, 400, dtype=torch.long)}
    scratch = PredictedRow("from scratch", "scratch", lambda _: wrong)
    pairs = Row("mine", "encoder", learnt, {"layer": "pooled"}, pairs=lambda: (torch.eye(3), torch.eye(3)))
    found = evaluate(bench(), [pairs, *floors(), patches, scratch])
    assert found.verdict is not None
    assert found.verdict.helped
    assert found.verdict.sentence.startswith("With 10 labels per class pre-training reaches .")
    assert "raw pixels ." in found.verdict.sentence
    assert "A rival, patches, reaches ." in found.verdict.sentence
    assert json.loads(json.dumps(found.to_json()))["verdict"]["helped"] is True
    own = found.find("mine", "few-label", "10")
    assert own is not None
    assert own.low is not None
    assert own.high is not None
    assert own.low < own.value < own.high
    assert {"data", "layer", "dimension", "C", "draws", "draw_seed", "interval"} <= set(own.protocol)
    untrained = found.find("untrained", "few-label", "10")
    assert untrained is not None
    assert len(untrained.protocol["members"]) == 3
    assert untrained.value == pytest.approx(np.mean(untrained.protocol["members"]))
    assert found.find("mine", "health", "alignment") is not None
    assert found.find("majority", "linear", "all") is not None
    gain = next(d for d in found.differences if (d.row, d.task, d.metric) == ("raw pixels", "few-label", "10"))
    raw = found.find("raw pixels", "few-label", "10")
    assert raw is not None
    assert gain.value == pytest.approx(own.value - raw.value)


def test_an_untrained_encoder_passed_off_as_trained_gets_no_over_20_seeds() -> None:
    said = []
    for seed in range(20):
        rows = [untrained("mine", "encoder", seed), *floors(first=1000 + 10 * seed)]
        found = evaluate(bench(seed, (10,)), rows, tasks(seed), kept())
        assert found.verdict is not None
        said.append(found.verdict.helped)
    assert said == [False] * 20


def test_untrained_encoders_that_beat_raw_data_still_get_no_over_20_seeds() -> None:
    """Without raw pixels among the floors only the luck of the seeds stands between an untrained encoder and a yes."""
    said = []
    for seed in range(20):
        rows = [untrained("mine", "encoder", seed), *floors(first=1000 + 10 * seed)[1:]]
        found = evaluate(bench(seed, (10,)), rows, ("few-label",), kept())
        assert found.verdict is not None
        said.append(found.verdict.helped)
    assert said == [False] * 20


def test_shuffled_labels_get_no_over_20_seeds() -> None:
    said = []
    for seed in range(20):
        true = bench(seed, (10,))
        generator = torch.Generator().manual_seed(seed)
        shuffled = replace(
            true,
            train_labels=true.train_labels[torch.randperm(500, generator=generator)],
            test_labels=true.test_labels[torch.randperm(400, generator=generator)],
        )
        rows = [Row("mine", "encoder", learnt), *floors()]
        found = evaluate(shuffled, rows, tasks(seed))
        assert found.verdict is not None
        said.append(found.verdict.helped)
    assert said == [False] * 20


def test_sentences_for_each_outcome() -> None:
    def right(share: float) -> Tensor:
        return (torch.arange(1000) < 1000 * share)[None].float()

    def say(*pairs: tuple[float, float]) -> str:
        names = ("10 labels per class", "all labels")
        contests = [
            Contest(name, right(own), {"raw pixels": right(raw)})
            for name, (own, raw) in zip(names, pairs, strict=False)
        ]
        return verdict(contests).sentence

    assert say((0.95, 0.9), (0.99, 0.974)).endswith("it helped. With all labels the gain is 1.6 points.")
    assert say((0.95, 0.9), (0.9, 0.95)).endswith("With all labels it did not help: .900, raw pixels .950.")
    assert "did not help beyond chance." in say((0.901, 0.9))
    assert say((0.8, 0.9), (0.8, 0.9)).endswith(
        "did not help. With all labels it did not help either: .800, raw pixels .900."
    )
    assert "With all labels it helped: .990, 4.0 points above raw pixels." in say((0.9, 0.95), (0.99, 0.95))


def test_luck_is_judged_on_the_scale_of_errors() -> None:
    seeds = (0.873, 0.900, 0.874)
    assert not exceeds_luck(0.905, seeds, 500)
    assert exceeds_luck(0.964, seeds, 500)
    assert exceeds_luck(1.0, (0.97, 0.98, 0.976), 500)
    assert not exceeds_luck(0.98, (0.97,), 500)


def test_figures() -> None:
    assert [figure(value) for value in (0.9583, 1.0, 0.0, -0.0123)] == [".958", "1.000", ".000", "-.012"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["0"]}, "at least two classes"),
        ({"classes": [str(digit) for digit in range(11)]}, "none of '10'.*add labelled samples"),
        (
            {"test_labels": torch.zeros(400, dtype=torch.long)},
            "test part .* none of '1', '2', '3', '4', '5' and 4 more",
        ),
        ({"train_labels": torch.zeros(7, dtype=torch.long)}, "500 samples and 7 labels"),
    ],
)
def test_labels_that_cannot_judge_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(bench(), **change)


def test_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'linear'"):
        evaluate(bench(), floors(), ("liner",))


def test_too_few_samples_for_k_are_noted() -> None:
    true = bench()
    found = evaluate(true, [Row("mine", "encoder", pixels)], ("knn",))
    assert found.find("mine", "knn", "k=200") is not None
    small = replace(true, train=Rows(pixels(true.train)[:60]), train_labels=true.train_labels[:60])
    result = evaluate(small, [Row("mine", "encoder", pixels)], ("knn",)).find("mine", "knn", "k=200")
    assert result is not None
    assert result.protocol["k"] == 60
    assert "lowered" in result.protocol["note"]
