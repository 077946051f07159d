"""How evenly samples are spread: naive loops, and what is known on paper."""

import math

import pytest
import torch

from tacit.losses.evenness import crowding, koleo


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


def test_koleo_is_the_nearest_others_distance():
    z = 3 * torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    unit = z / z.norm(dim=2, keepdim=True)
    for view in range(2):
        for row, found in enumerate(koleo(z)[view]):
            near = min(float((unit[view, row] - unit[view, other]).norm()) for other in range(6) if other != row)
            assert float(found) == pytest.approx(-math.log(near), abs=1e-4)


def test_koleo_is_the_authors():
    """The distance to the nearest by cosine, as torch's own `PairwiseDistance` has it (facebookresearch/dinov2)."""
    z = torch.randn(20, 8, generator=torch.Generator().manual_seed(1))
    unit = z / z.norm(dim=1, keepdim=True)
    nearest = (unit @ unit.T).fill_diagonal_(-1).argmax(dim=1)
    theirs = -(torch.nn.PairwiseDistance(2, eps=1e-8)(unit, unit[nearest]) + 1e-8).log()
    assert torch.allclose(koleo(z), theirs, atol=1e-5)


def test_opposites_are_as_far_apart_as_can_be_and_one_point_pulls_at_nothing_infinite():
    assert torch.allclose(koleo(torch.tensor([[1.0, 0.0], [-5.0, 0.0]])), torch.full((2,), -math.log(2)), atol=1e-6)
    square = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    assert torch.allclose(koleo(square), torch.full((4,), -math.log(2) / 2), atol=1e-6)
    same = torch.ones(3, 4, requires_grad=True)
    koleo(same).sum().backward()
    assert same.grad.isfinite().all()


def test_descending_koleo_spreads_points_over_the_circle_evenly():
    """Three are at best each a third of the way round, sqrt(3) apart."""
    z = torch.tensor([[1.0, 0.0], [0.9, 0.4], [0.5, -0.9]], requires_grad=True)
    for step in range(100):
        (slope,) = torch.autograd.grad(koleo(z).mean(), z)
        with torch.no_grad():
            z -= 0.99**step * 0.1 * slope
    assert float(koleo(z.detach()).mean()) == pytest.approx(-math.log(3) / 2, abs=0.02)
