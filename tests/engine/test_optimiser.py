import numpy as np
import pytest
import torch
from torch import nn

from tacit.core import Progress
from tacit.engine import optimiser
from tacit.engine.optimiser import LARS
from tacit.engine.settings import Optimiser


def test_lars_is_algorithm_1_of_its_paper() -> None:
    start = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    weight = nn.Parameter(start.clone())
    lars = LARS([weight], lr=0.5, momentum=0.9, weight_decay=0.1, trust=0.02)
    w, v = start.double().numpy(), np.zeros((3, 4))
    for step in range(5):
        gradient = torch.randn(3, 4, generator=torch.Generator().manual_seed(step + 1))
        weight.grad = gradient.clone()
        lars.step()
        g = gradient.double().numpy()
        rate = 0.02 * np.linalg.norm(w) / (np.linalg.norm(g) + 0.1 * np.linalg.norm(w))
        v = 0.9 * v + 0.5 * rate * (g + 0.1 * w)
        w = w - v
    np.testing.assert_allclose(weight.detach().numpy(), w, rtol=1e-5)


def test_lars_spares_one_dimensional_and_zero_weights_the_scaling() -> None:
    bias, zero = nn.Parameter(torch.ones(2)), nn.Parameter(torch.zeros(2, 2))
    lars = LARS([bias, zero], lr=0.5, momentum=0.0)
    bias.grad, zero.grad = torch.ones(2), torch.ones(2, 2)
    lars.step()
    assert bias.tolist() == [0.5, 0.5]
    assert zero.tolist() == [[-0.5, -0.5], [-0.5, -0.5]]


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars", "muon"])
def test_norms_and_biases_do_not_decay_and_frozen_weights_do_not_move(name: str) -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4).requires_grad_(False))
    built = optimiser.build(Optimiser(name=name, lr=0.1, weight_decay=0.5), net)
    before = [parameter.detach().clone() for parameter in net.parameters()]
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    built.step()
    moved = [not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True)]
    assert moved == [True, False, False, False, False, False]


def test_the_rate_warms_up_and_falls() -> None:
    config = Optimiser(lr=2.0, warmup=0.1)
    rates = [optimiser.learning_rate(config, Progress(step, 100)) for step in range(100)]
    assert 0 < rates[0] < rates[5] < rates[10] == max(rates) == pytest.approx(2.0)
    assert 0 < rates[99] < 0.01
    net = nn.Linear(2, 2)
    built = optimiser.build(config, net)
    optimiser.set_learning_rate(built, 0.25)
    assert {group["lr"] for group in built.param_groups} == {0.25}
