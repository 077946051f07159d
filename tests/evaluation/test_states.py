"""Probes of states: F1 and R2 under weights, against scikit-learn and naive repetition."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.metrics import f1_score, r2_score

from tacit.evaluation.states import PENALTIES, entropy, f1, r2, regress


def drawn(seed, classes=5, moments=60, episodes=4):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (moments,), generator=generator)
    said = torch.where(
        torch.rand(moments, generator=generator) < 0.5, labels, torch.randint(classes, (moments,), generator=generator)
    )
    of = torch.arange(moments) % episodes
    return said, labels, of


@given(st.integers(0, 1000))
def test_f1_is_scikit_learns_on_the_moments_that_the_weights_repeat(seed):
    said, labels, of = drawn(seed)
    weights = torch.randint(0, 3, (3, 4), generator=torch.Generator().manual_seed(seed)).double()
    weights[:, 0] += 1
    macro, weighted = f1(said, labels, of, weights)
    for row, weight in enumerate(weights):
        repeated = torch.repeat_interleave(torch.arange(len(of)), weight[of].long())
        first, second = labels[repeated].numpy(), said[repeated].numpy()
        assert math.isclose(macro[row], f1_score(first, second, average="macro", zero_division=0), abs_tol=1e-9)
        assert math.isclose(weighted[row], f1_score(first, second, average="weighted", zero_division=0), abs_tol=1e-9)


def test_f1_knows_its_values_on_paper():
    one = torch.ones(1, 1, dtype=torch.float64)
    labels, same = torch.tensor([0, 0, 0, 1]), torch.zeros(4, dtype=torch.long)
    assert [each.item() for each in f1(labels, labels, same, one)] == [1, 1]
    macro, weighted = f1(same, labels, same, one)  # always the majority: F1 6/7 of one class and 0 of the other
    assert math.isclose(macro.item(), 3 / 7)
    assert math.isclose(weighted.item(), 0.75 * 6 / 7)


@given(st.integers(0, 1000))
def test_r2_is_scikit_learns_on_the_moments_that_the_weights_repeat(seed):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(40, generator=generator)
    guesses = values + torch.randn(40, generator=generator)
    of, weights = torch.arange(40) % 4, torch.tensor([[1.0, 1, 1, 1], [2, 0, 1, 1]]).double()
    for row, value in enumerate(r2(guesses, values, of, weights)):
        repeated = torch.repeat_interleave(torch.arange(40), weights[row][of].long())
        expected = max(-1.0, r2_score(values[repeated].double().numpy(), guesses[repeated].double().numpy()))
        assert math.isclose(value, expected, abs_tol=1e-6)


def test_what_never_changes_is_not_explained():
    same = torch.zeros(4, dtype=torch.long)
    assert r2(torch.randn(4), torch.full((4,), 7.0), same, torch.ones(1, 1).double()).tolist() == [0]


def test_entropy_is_in_nats():
    assert math.isclose(entropy(torch.tensor([0, 1, 2, 3])), math.log(4))
    assert entropy(torch.zeros(5)) == 0


def test_regression_finds_a_linear_rule_and_its_level():
    x = torch.randn(200, 6, generator=torch.Generator().manual_seed(0))
    values = torch.stack([3 * x[:, 0] - x[:, 1] + 50, x[:, 2]], dim=1)
    groups = torch.arange(200) // 10
    found = regress(x[:150], values[:150], x[150:], groups=groups[:150])
    assert torch.allclose(found.float(), values[150:], atol=0.01)


@pytest.mark.parametrize("dimensions", [5, 300])
def test_regression_is_scikit_learns_ridge_at_one_of_the_penalties(dimensions):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(120, dimensions, generator=generator)
    values = x[:, :1] + torch.randn(120, 1, generator=generator)
    found = regress(x[:80], values[:80], x[80:], groups=torch.arange(80) // 8)
    from tacit.evaluation.scaler import Scaler

    z = Scaler.of(x[:80])(x)
    ridges = [Ridge(alpha=80 * penalty).fit(z[:80].double(), values[:80, 0].double()) for penalty in PENALTIES]
    answers = torch.stack([torch.from_numpy(ridge.predict(z[80:].double())) for ridge in ridges])
    assert (answers - found[:, 0]).abs().amax(dim=1).min() < 1e-4
