"""How evenly samples are spread: naive loops, and what is known on paper."""

import math

import pytest
import torch

from tacit.losses.evenness import crowding


def test_crowding_is_what_the_entropy_of_the_mean_choice_lacks():
    said = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0)).softmax(2)
    entropy = 0.0
    for choice in range(3):
        share = sum(float(said[view, row, choice]) for view in range(2) for row in range(5)) / 10
        entropy -= share * math.log(share)
    found = crowding(said.log())
    assert found.shape == (5,)
    assert float(found.mean()) == pytest.approx(math.log(3) - entropy, abs=1e-5)


def test_one_choice_for_all_costs_their_logarithm_and_one_for_each_nothing():
    sure = torch.full((1, 4, 4), -50.0)
    each, one = sure.clone(), sure.clone()
    each[0].fill_diagonal_(0.0)
    one[0, :, 2] = 0.0
    assert torch.allclose(crowding(each), torch.zeros(4), atol=1e-5)
    assert torch.allclose(crowding(one), torch.full((4,), math.log(4)), atol=1e-5)
