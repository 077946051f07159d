import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.losses import VICRegLoss

from tacit.losses.redundancy import (
    EPSILON,
    disagreement,
    one_point_unlike_gauss,
    redundancy,
    stillness,
    unlike_gauss,
)


def drawn(views=2, batch=7, dim=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(views, batch, dim, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("views", [2, 4])
def test_disagreement_equals_a_naive_loop_over_pairs(views):
    z = drawn(views)
    pairs = [(v, w) for v in range(views) for w in range(views) if v < w]
    naive = torch.stack([(z[v] - z[w]).square().mean(1) for v, w in pairs]).mean(0)
    assert torch.allclose(disagreement(z), naive)


def test_stillness_and_redundancy_equal_naive_loops():
    z = drawn()
    still, same = [], []
    for view in z:
        about = view - view.mean(0)
        for i in range(5):
            still.append(max(0.0, 1 - math.sqrt(float(about[:, i].square().sum() / 6) + EPSILON)))
        covariance = [[float((about[:, i] * about[:, j]).sum() / 6) for j in range(5)] for i in range(5)]
        same.append(sum(covariance[i][j] ** 2 for i in range(5) for j in range(5) if i != j) / 5)
    assert stillness(z).item() == pytest.approx(sum(still) / 10)
    assert redundancy(z).item() == pytest.approx(sum(same) / 2)


def test_vicreg_is_that_of_an_independent_library():
    """There both views' prices of standing still are halved and those of repetition added, as in the authors' code."""
    z = drawn(batch=9).float()
    theirs = VICRegLoss(invariance_lambda=25, variance_mu=25, covariance_v=1, eps=EPSILON)(z[0], ref_emb=z[1])
    ours = 25 * disagreement(z).mean() + 25 * stillness(z) + 2 * redundancy(z)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)


def test_values_known_on_paper():
    """One point for all stands still and repeats nothing; a feature that is copied repeats its variance."""
    point = torch.ones(2, 8, 3, dtype=torch.float64)
    assert stillness(point).item() == pytest.approx(1 - math.sqrt(EPSILON))
    assert redundancy(point).item() == disagreement(point).sum().item() == 0
    once = torch.tensor([1.0, -1.0] * 4, dtype=torch.float64)
    twice = torch.stack([once, once], dim=1).expand(2, 8, 2)
    assert redundancy(twice).item() == pytest.approx((8 / 7) ** 2)  # twice the square, over two features


def epps_pulley(x):
    """The integral of the test in closed form (Baringhaus and Henze 1988, with beta = 1), by hand for one direction."""
    count = len(x)
    pairs = (-(x[:, None] - x[None]).square() / 2).exp().sum() / count
    alone = (-x.square() / 4).exp().sum()
    return math.sqrt(2 * math.pi) * float(pairs - math.sqrt(2) * alone + count / math.sqrt(3))


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_unlike_gauss_is_the_test_of_epps_and_pulley(shift):
    z = drawn(1, 40, 3) + shift
    for direction in torch.eye(3, dtype=torch.float64):
        naive = epps_pulley(z[0] @ direction)
        assert unlike_gauss(z, 5 * direction[None]).item() == pytest.approx(naive, rel=0.02), "the length is no matter"


def test_one_point_is_as_far_as_the_paper_says():
    """sqrt(2 pi) (1 - 2 / sqrt(2) + 1 / sqrt(3)) a sample, but for the far ends that are not integrated."""
    whole = math.sqrt(2 * math.pi) * (1 - math.sqrt(2) + 1 / math.sqrt(3))
    assert one_point_unlike_gauss(32) == pytest.approx(32 * whole, rel=0.03)
    found = unlike_gauss(torch.zeros(2, 32, 4), drawn(1, 6, 4)[0].float())
    assert found.item() == pytest.approx(one_point_unlike_gauss(32), rel=1e-5)


def test_a_normal_sample_has_the_value_that_chance_gives():
    """E n |phi_n - phi|^2 = 1 - phi^2, so the mean is sqrt(2 pi) (1 - 1 / sqrt(3)), whatever the number of samples."""
    expected = math.sqrt(2 * math.pi) * (1 - 1 / math.sqrt(3))
    directions = drawn(1, 64, 16, seed=1)[0]
    found = torch.stack([unlike_gauss(drawn(8, 500, 16, seed=seed), directions) for seed in range(4)])
    assert found.mean().item() == pytest.approx(expected, rel=0.1)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.floats(0.1, 5))
def test_laws(seed, scale):
    """Order does not matter, a common shift changes nothing but the likeness to a normal, and a scale goes squared."""
    z = drawn(3, 6, 4, seed)
    mixed = z[:, torch.randperm(6, generator=torch.Generator().manual_seed(seed))]
    assert stillness(mixed).item() == pytest.approx(stillness(z).item())
    assert redundancy(z + 3).item() == pytest.approx(redundancy(z).item())
    assert redundancy(scale * z).item() == pytest.approx(scale**4 * redundancy(z).item())
    assert disagreement(scale * z).sum().item() == pytest.approx(scale**2 * disagreement(z).sum().item())
    assert unlike_gauss(z, z[0]).item() == pytest.approx(unlike_gauss(mixed, z[0]).item())
