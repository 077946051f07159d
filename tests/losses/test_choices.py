"""Choices among many ids: tiles against the whole, samples against all, and what is known on paper."""

import math
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from tacit.losses import crowd
from tacit.losses.choices import among_all, among_some, calibrated, calibration, undecided
from tacit.losses.tokens import by_sample, by_token


def some(m=7, v=11, d=5, seed=0, kind=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    states, table = (torch.randn(n, d, generator=generator).to(kind).requires_grad_() for n in (m, v))
    return states, table, torch.randint(v, (m,), generator=generator)


@given(st.integers(1, 9), st.integers(2, 13), st.integers(1, 40), st.integers(1, 13))
def test_tiles_give_the_value_and_the_gradients_of_cross_entropy(m, v, tile, widest):
    states, table, target = some(m, v, seed=m + 20 * v)
    slopes = torch.linspace(0.5, 2, m)
    expected = F.cross_entropy(states @ table.T, target, reduction="none")
    wanted = torch.autograd.grad((expected * slopes).sum(), (states, table))
    with mock.patch.object(crowd, "FEW", 0), mock.patch.dict(crowd.TILES, cpu=(tile, widest)):
        found = among_all(states, table, target)
        gradients = torch.autograd.grad((found * slopes).sum(), (states, table))
    assert torch.allclose(found, expected, atol=1e-5)
    for one, other in zip(gradients, wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_all_alike_cost_the_logarithm_of_their_number():
    states, table, target = some()
    assert torch.allclose(among_all(states * 0, table, target), torch.full((7,), math.log(11)))
    drawn = torch.randint(11, (4,))
    assert torch.allclose(among_some(states * 0, table, target, drawn, 11), torch.full((7,), math.log(11)))


def test_with_every_id_drawn_once_the_sample_is_the_whole():
    states, table, target = some()
    found = among_some(states, table, target, torch.arange(11), 11)
    assert torch.allclose(found, among_all(states, table, target), atol=1e-5)


def test_the_sampled_crowd_is_right_on_average():
    """exp(loss + right) is the sum over all ids, which the sample estimates without bias."""
    states, table, target = some(m=1)
    right = (states * table[target]).sum()
    draws = torch.stack([torch.randint(11, (3,)) for _ in range(20_000)])
    kept = draws[(draws != target).all(dim=1)]
    crowd = torch.stack([(among_some(states, table, target, drawn, 11) + right).exp() for drawn in kept[:4_000]])
    assert crowd.mean().item() == pytest.approx((states @ table.T).exp().sum().item(), rel=0.05)


def test_calibrated_binary_cross_entropy_is_the_loop_over_its_terms():
    states, table, target = some()
    drawn, count, t = torch.tensor([0, 3, 3, 9]), 11, 0.6
    found = calibrated(states, table, target, drawn, count, t)
    share = len(drawn) / (count - 1)
    beta = share * (t * (1 - 1 / share) + 1 / share)
    for place in range(len(states)):
        score = states[place] @ table[target[place]]
        total = beta * torch.sigmoid(score).log()
        for one in drawn.tolist():
            if one != target[place]:
                total = total + (1 - torch.sigmoid(states[place] @ table[one])).log()
        assert found[place].item() == pytest.approx(-total.item() / 5, rel=1e-4)


def test_calibration_is_what_the_paper_says_at_its_ends():
    assert calibration(10, 101, 0.0) == pytest.approx(1.0)
    assert calibration(10, 101, 1.0) == pytest.approx(0.1)
    assert calibration(100, 101, 0.3) == pytest.approx(1.0)
    states, table, target = some()
    drawn = torch.tensor([number for number in range(11) if number not in target.tolist()][:2])
    found = calibrated(states * 0, table, target, drawn, 11, 0.5)
    assert torch.allclose(found, torch.full((7,), undecided(2, 11, 0.5)))


def test_what_is_right_is_no_negative():
    states, table, target = some(m=2)
    target[:] = 4
    only = torch.tensor([4, 4])
    assert torch.allclose(among_some(states, table, target, only, 11), torch.zeros(2), atol=1e-6)
    score = (states * table[4]).sum(1)
    expected = calibration(2, 11, 0.5) * F.softplus(-score) / 3
    assert torch.allclose(calibrated(states, table, target, only, 11, 0.5), expected)


def test_tokens_that_count_alike_have_their_mean():
    chosen = torch.tensor([[True, False, True], [False, False, False], [True, True, True]])
    losses = torch.tensor([1.0, 3.0, 5.0, 6.0, 7.0])
    assert by_token(losses, chosen).mean().item() == pytest.approx(losses.mean().item())
    assert by_sample(losses, chosen).mean().item() != pytest.approx(losses.mean().item())
