"""What is said of histories before training."""

import numpy as np
import pytest
import torch
from baskets import histories, log

from tacit.looking.inspecting import inspect
from tacit.modalities import habits
from tacit.modalities.histories import written
from tacit.modalities.interactions import INTERACTIONS


def said_of(taken):
    raws = [written(items) for items in taken]
    layout = INTERACTIONS.survey(raws, INTERACTIONS.config())
    view = INTERACTIONS.collate(torch.from_numpy(np.stack([INTERACTIONS.read(raw, layout) for raw in raws])), layout)
    known = [habits.facts(raw) for raw in raws]
    return " ".join(habits.advice({name: [each[name] for each in known] for name in known[0]}, layout, view))


def test_repeats_are_counted():
    assert habits.facts(written(list("aabca"))) == {"items": 5, "repeats": pytest.approx(0.4), "at once": 0.25}
    assert habits.facts(written(["a"])) == {"items": 1, "repeats": 0, "at once": 0}


def test_order_that_says_something_is_told_from_order_that_does_not():
    ordered = said_of(histories(100, 60))
    assert "the order of items says what comes next" in ordered
    generator = np.random.default_rng(0)
    assert "says little" in said_of([[f"i{n}" for n in generator.permutation(60)[:9]] for _ in range(100)])


def test_items_that_come_again_are_told():
    again = said_of([["a", "a", "b", "b", "c"] for _ in range(30)])
    assert "40% of the interactions" in again
    assert "in 50% the next item is the last one again" in again


def test_inspect_says_it_of_a_log(tmp_path):
    taken = histories(60, 30)
    log(tmp_path / "log.csv", taken)
    seen, _ = inspect([{"data": str(tmp_path / "log.csv")}], seconds=0.1)
    assert seen.facts["items"].highest == max(map(len, taken))
    assert any("order of items" in line for line in seen.advice)
    assert seen.unit == "users"
    assert not any("label" in line for line in seen.advice), "they are judged by what comes next"
