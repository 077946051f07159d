"""The linear probe and few labels on real digits, against scikit-learn where it can say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from tacit.evaluation import few_label
from tacit.evaluation.linear import GRID, linear_probe
from tacit.evaluation.logistic import Scaler

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x, y = torch.tensor(data.data[order] / 16, dtype=torch.float32), torch.tensor(data.target[order])
    return x[:1297], y[:1297], x[1297:], y[1297:]


def test_linear_probe_agrees_with_scikit_learn_at_the_chosen_c(digits: tuple[Tensor, ...]) -> None:
    train, labels, test, test_labels = digits
    probe = linear_probe(train, labels, test, 10)
    scaler = Scaler.of(train)
    other = LogisticRegression(C=probe.c, max_iter=1000).fit(scaler(train).numpy(), labels)
    assert probe.c in GRID
    agreement = probe.predictions == torch.tensor(other.predict(scaler(test).numpy()))
    assert agreement.double().mean() > 0.99
    assert (probe.predictions == test_labels).double().mean() > 0.95


def test_linear_probe_never_sees_the_test_part(digits: tuple[Tensor, ...]) -> None:
    train, labels, test, _ = digits
    whole = linear_probe(train, labels, test, 10)
    part = linear_probe(train, labels, test[:5], 10)
    assert part.c == whole.c
    assert torch.equal(part.predictions, whole.predictions[:5])


def test_linear_probe_listens_to_a_validation_part_of_the_data(digits: tuple[Tensor, ...]) -> None:
    train, labels, test, _ = digits
    misleading = (train[:200], (labels[:200] + 1) % 10)  # nothing generalises to it: the strongest penalty wins ties
    assert linear_probe(train, labels, test, 10, val=misleading).c < linear_probe(train, labels, test, 10).c


def test_draws_are_nested_paired_and_balanced() -> None:
    labels = torch.randint(3, (90,), generator=torch.Generator().manual_seed(0))
    small, large = (few_label.draw(labels, 3, size, draws=6, seed=4) for size in (2, 10))
    for few, many in zip(small, large, strict=True):
        assert set(few.tolist()) < set(many.tolist())
        assert len(set(many.tolist())) == 30
        assert torch.bincount(labels[many]).tolist() == [10, 10, 10]
    assert torch.equal(few_label.draw(labels, 3, 2, draws=3, seed=4), small[:3])
    assert not torch.equal(small[0], small[1])
    assert not torch.equal(few_label.draw(labels, 3, 2, draws=6, seed=5), small)


def test_sizes_that_the_rarest_class_cannot_serve_are_left_out() -> None:
    labels = torch.tensor([0] * 50 + [1] * 7)
    assert few_label.fitting_sizes(labels, 2) == (1, 2, 5)


def test_few_labels_reach_what_raw_digits_are_known_to_reach(digits: tuple[Tensor, ...]) -> None:
    train, labels, test, test_labels = digits
    reached = []
    for size in (1, 10):
        found = few_label.few_label(train, labels, test, 10, size)
        assert found.shape == (20, 500)
        reached.append((found == test_labels).double().mean().item())
    assert reached[0] > 0.60
    assert reached[1] > 0.89


def test_few_labels_do_not_depend_on_units_or_on_idle_dimensions(digits: tuple[Tensor, ...]) -> None:
    train, labels, test, _ = digits
    plain = few_label.few_label(train, labels, test, 10, 5, draws=4)
    louder = few_label.few_label(100 * train + 3, labels, 100 * test + 3, 10, 5, draws=4)
    wider = few_label.few_label(train.repeat(1, 8), labels, test.repeat(1, 8), 10, 5, draws=4)
    assert (plain == louder).double().mean() > 0.995
    assert (plain == wider).double().mean() > 0.995


def test_draws_solved_in_turns_equal_draws_solved_at_once(
    digits: tuple[Tensor, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    train, labels, test, _ = digits
    at_once = few_label.few_label(train, labels, test, 10, 2, draws=5)
    monkeypatch.setattr(few_label, "_GATHERED_BYTES", 1)
    in_turns = few_label.few_label(train, labels, test, 10, 2, draws=5)
    assert (at_once == in_turns).double().mean() > 0.995
