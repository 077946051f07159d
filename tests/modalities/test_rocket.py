"""MiniRocket: left out with the reason, or what aeon's own classifier says."""

import importlib.util

import numpy as np
import pytest
import torch
from curves import wave
from test_series import Held, views

from tacit.modalities import rocket

LABELS = torch.arange(12) % 2


def both(**shape):
    return (Held(views([wave(n % 2, n + first, **shape) for n in range(12)])) for first in (0, 40))


def test_without_aeon_it_is_left_out_and_that_is_said_each_time(monkeypatch, capfd):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for _ in range(2):
        assert rocket.minirocket(*both()) is None
        assert "it takes aeon: pip install 'tacit[aeon]'" in capfd.readouterr().err


def test_of_too_many_series_it_is_left_out(monkeypatch, capfd):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: "there")
    monkeypatch.setattr(rocket, "ROWS", 11)
    assert rocket.minirocket(*both()) is None
    assert "of 12 training series it would take too long" in capfd.readouterr().err


def test_it_answers_as_the_classifier_of_aeon():
    pytest.importorskip("aeon")
    from aeon.classification.convolution_based import MiniRocketClassifier

    train, test = both(length=30, channels=2)
    classify = rocket.minirocket(train, test)
    x, other = (held.whole.x.transpose(1, 2).numpy() for held in (train, test))
    expected = MiniRocketClassifier(random_state=0).fit(x, LABELS.numpy()).predict(other)
    found = classify(torch.arange(12), LABELS)
    assert np.array_equal(found.numpy(), expected)
    assert (found == LABELS).float().mean() > 0.8
    assert len(classify(torch.tensor([0, 1]), LABELS[:2])) == 12


def test_short_series_and_gaps_are_no_hindrance():
    pytest.importorskip("aeon")
    train, test = both(length=5)
    train.whole.x[0, 1] = torch.nan
    assert len(rocket.minirocket(train, test)(torch.arange(12), LABELS)) == 12
