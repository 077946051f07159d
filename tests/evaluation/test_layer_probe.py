"""The probe on a sum of layers: it finds the layer that says something, and solves what it says it solves."""

import pytest
import torch
import torch.nn.functional as F

from tacit.evaluation.layers import _Objective, _solve, _Sum, weighted_probe
from tacit.evaluation.linear import GRID, linear_probe
from tacit.evaluation.scaler import Scaler


def toy(telling, count=500, layers=4, width=12, classes=5, seed=0):
    """Noise in all layers, the loudest in the first; in the layers `telling` there is the class, too."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (count,), generator=generator)
    x = torch.randn(count, layers, width, generator=generator)
    centres = 1.2 * torch.randn(classes, width, generator=generator)
    for layer in telling:
        x[:, layer] += centres[labels]
    x[:, 0] *= 50
    return x, labels


@pytest.mark.parametrize("telling", [0, 1, 3])
def test_the_weights_find_the_one_layer_that_says_something(telling):
    x, labels = toy([telling])
    probe = weighted_probe(x[:350], labels[:350], x[350:], 5)
    assert float(probe.weights.sum()) == pytest.approx(1)
    assert probe.weights.argmax() == telling
    assert probe.weights[telling] > 0.8
    assert probe.c in GRID
    alone = linear_probe(x[:350, telling], labels[:350], x[350:, telling], 5)
    right = [(each.predictions == labels[350:]).double().mean() for each in (probe, alone)]
    assert right[0] > right[1] - 0.03
    assert right[0] > 0.85


def test_layers_that_each_say_a_part_are_summed():
    x, labels = toy([])
    x[:, 1, 0] += 4 * (labels % 2)
    x[:, 2, 1] += 4 * (labels // 2)
    x[:, 1, 1], x[:, 2, 0] = 0, 0  # else the noise of one would lie on what the other says
    probe = weighted_probe(x[:350], labels[:350], x[350:], 5)
    assert (probe.weights[[1, 2]] > 0.25).all()
    best = max(
        (linear_probe(x[:350, k], labels[:350], x[350:, k], 5).predictions == labels[350:]).sum() for k in (1, 2)
    )
    assert (probe.predictions == labels[350:]).sum() > best + 10


def test_layers_that_are_all_one_are_one_layer():
    x, labels = toy([0], layers=1)
    probe = weighted_probe(x[:350].expand(-1, 3, -1), labels[:350], x[350:].expand(-1, 3, -1), 5)
    assert torch.allclose(probe.weights, torch.full((3,), 1 / 3, dtype=torch.float64), atol=1e-6)
    alone = linear_probe(x[:350, 0], labels[:350], x[350:, 0], 5)
    assert probe.c == alone.c
    assert (probe.predictions == alone.predictions).float().mean() > 0.99


def test_the_test_part_is_never_looked_at_while_fitting():
    x, labels = toy([1, 2])
    whole, part = (weighted_probe(x[:350], labels[:350], x[350:end], 5) for end in (500, 355))
    assert torch.equal(whole.weights, part.weights)
    assert torch.equal(whole.predictions[:5], part.predictions)


def test_a_validation_part_of_the_data_chooses_the_penalty():
    x, labels = toy([1])
    misleading = (x[:200], (labels[:200] + 1) % 5)
    told = weighted_probe(x[:350], labels[:350], x[350:], 5, val=misleading)
    assert told.c == GRID[0]
    assert told.c < weighted_probe(x[:350], labels[:350], x[350:], 5).c


def objective(c=30.0):
    x, labels = toy([1, 3], count=300)
    z = torch.stack([Scaler.of(x[:, k])(x[:, k]) for k in range(4)], dim=1)
    return _Objective(z, labels, 5, c, torch.ones(300), 1e-6)


def joint(asked, scores, weights, bias):
    """The loss read aloud, as a function of all that is learnt."""
    logits = torch.einsum("nkd,k->nd", asked.z.double(), scores.softmax(0)) @ weights + bias
    return F.cross_entropy(logits, asked.labels) + weights.square().sum() / (2 * asked.c * len(asked.labels))


def test_the_slope_along_the_weights_is_that_of_the_whole_loss():
    asked = objective()
    scores = torch.tensor([0.3, -0.2, 0.5, 0.0], dtype=torch.float64, requires_grad=True)
    loss, slope, best = asked.at(scores.detach(), None)
    naive = joint(asked, scores, best.weights[0].double(), best.bias[0].double())
    naive.backward()
    assert loss == pytest.approx(naive.item(), abs=1e-6)
    assert torch.allclose(slope, scores.grad, atol=1e-5)
    step = 1e-3 * torch.eye(4, dtype=torch.float64)
    for k in range(4):
        ahead, behind = (asked.at(scores.detach() + sign * step[k], None)[0] for sign in (1, -1))
        assert (ahead - behind) / 2e-3 == pytest.approx(float(slope[k]), abs=1e-4)


def test_nothing_lower_is_found_when_all_is_learnt_at_once():
    """Against plain L-BFGS of torch over weights, classifier and bias together."""
    asked = objective()
    found = _solve(asked, _Sum.even(asked.z))
    reached = joint(asked, found.scores, found.classifier.weights[0].double(), found.classifier.bias[0].double())
    free = [torch.zeros(shape, dtype=torch.float64, requires_grad=True) for shape in ((4,), (12, 5), (5,))]
    mover = torch.optim.LBFGS(free, max_iter=500, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure():
        mover.zero_grad()
        loss = joint(asked, *free)
        loss.backward()
        return loss

    mover.step(closure)
    assert reached.item() <= joint(asked, *free).item() + 1e-3
    assert torch.allclose(found.weights, free[0].detach().softmax(0), atol=0.05)
