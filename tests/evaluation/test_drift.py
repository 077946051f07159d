"""Measures of drift against what is known of them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tacit.evaluation.drift import Drift, Skill, compare, linear_cka, mean_cosine, neighbours_kept, skill


def features(seed, n=200, d=16):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def rotation(seed, d=16):
    return torch.linalg.qr(features(seed, d, d).double())[0].float()


def test_features_that_did_not_move_agree_fully():
    x = features(0)
    assert compare(x, x) == pytest.approx({"cka": 1.0, "cosine": 1.0, "kept": 1.0})


@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10))
def test_cka_and_neighbours_are_blind_to_rotation_and_scale_and_cosines_are_not(seed, scale):
    x = features(seed)
    moved = scale * x @ rotation(seed + 1)
    assert linear_cka(x, moved) == pytest.approx(1.0, abs=1e-4)
    assert neighbours_kept(x, moved, 20) == pytest.approx(1.0, abs=0.01)
    assert mean_cosine(x, moved) < 0.9


@pytest.mark.parametrize(("n", "d"), [(200, 16), (100, 400)])
def test_strangers_do_not_agree_even_with_more_dimensions_than_samples(n, d):
    found = [compare(features(seed, n, d), features(seed + 100, n, d)) for seed in range(10)]
    assert abs(np.mean([one["cka"] for one in found])) < 0.02
    assert abs(np.mean([one["cosine"] for one in found])) < 0.02
    assert np.mean([one["kept"] for one in found]) == pytest.approx(20 / (n - 1), abs=0.02)


def test_cka_is_the_plain_formula_on_many_samples():
    """Kornblith et al. 2019, equation 4, which the unbiased sums tend to."""
    x = features(0, 3000, 4)
    y = x + 0.5 * features(1, 3000, 4)
    x, y = x - x.mean(0), y - y.mean(0)
    plain = (y.T @ x).square().sum() / ((x.T @ x).norm() * (y.T @ y).norm())
    assert linear_cka(x, y) == pytest.approx(float(plain), abs=0.005)


def test_cka_compares_different_widths_and_constants_agree_with_nothing():
    x = features(0)
    assert linear_cka(x, torch.cat([x, x], 1)) == pytest.approx(1.0, abs=1e-5)
    assert math.isnan(compare(x, torch.cat([x, x], 1))["cosine"])
    assert linear_cka(x, torch.ones(200, 3)) == 0.0


def test_equal_rows_are_no_reason_to_count_oneself():
    assert 0 <= neighbours_kept(torch.ones(30, 4), torch.ones(30, 4), 5) <= 1


def test_a_lost_skill_is_named_and_noise_is_not():
    x, labels = features(0, 400), torch.arange(400) % 4
    apart = x.clone()
    apart[:, :4] += 6 * torch.nn.functional.one_hot(labels, 4)
    train, test = torch.arange(0, 200), torch.arange(200, 400)

    def judged(before, after):
        found = skill((before[train], before[test]), (after[train], after[test]), labels[train], labels[test], 4)
        return Drift(**compare(before, after), samples=400, neighbours=20, skill=found).in_words()

    assert "old skill was lost" in judged(apart, x)
    assert "nothing was lost" in judged(x, apart)
    assert "no difference" in judged(apart, apart + 0.01 * x)


def test_without_labels_nothing_is_claimed_about_skills():
    said = Drift(0.95, 0.5, 0.4, samples=10, neighbours=5).in_words()
    assert "hardly moved" in said
    assert "not known" in said
    assert Drift(0.4, 0.5, 0.4, 10, 5, Skill(0.9, 0.5, 0.01)).to_json()["skill"] == {
        "before": 0.9,
        "after": 0.5,
        "error": 0.01,
    }
