import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.losses import VICRegLoss
from scipy.stats import norm, wasserstein_distance

from tacit.losses.redundancy import (
    EPSILON,
    correlation,
    disagreement,
    narrowness,
    off_centre,
    off_identity,
    off_scale,
    off_shape,
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


@pytest.mark.parametrize("views", [2, 3])
def test_correlations_are_those_of_numpy_and_their_prices_equal_naive_loops(views):
    z = drawn(views)
    pairs = [(v, w) for v in range(views) for w in range(views) if v < w]
    theirs = torch.from_numpy(np.stack([np.corrcoef(z[v].T, z[w].T)[:5, 5:] for v, w in pairs]))
    assert torch.allclose(correlation(z), theirs, atol=1e-4)
    lacking = sum((1 - float(c[i, i])) ** 2 for c in theirs for i in range(5)) / len(pairs)
    repeated = sum(float(c[i, j]) ** 2 for c in theirs for i in range(5) for j in range(5) if i != j) / len(pairs)
    found = [float(each) for each in off_identity(theirs)]
    assert found == pytest.approx([lacking, repeated])


def test_barlow_twins_is_that_of_lightly():
    losses = pytest.importorskip("lightly.loss")
    z = drawn(batch=9).float()
    lacking, repeated = off_identity(correlation(z))
    theirs = losses.BarlowTwinsLoss(lambda_param=0.02)(z[0], z[1])
    assert float(lacking + 0.02 * repeated) == pytest.approx(float(theirs), rel=1e-5)


def test_correlations_known_on_paper():
    """Four features that no two samples share: views that are the same agree wholly; features that are all one repeat
    each other, D (D - 1) times; one point for all agrees in nothing."""
    signs = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)
    values = {
        "apart": (torch.stack([signs, signs]), 0, 0),
        "opposite": (torch.stack([signs, -signs]), 12, 0),
        "all the same": (signs[:, :1].expand(2, 4, 3), 0, 6),
        "one point": (torch.ones(2, 4, 3, dtype=torch.float64), 3, 0),
    }
    for name, (z, lacking, repeated) in values.items():
        found = [float(each) for each in off_identity(correlation(5 * z))]
        assert found == pytest.approx([lacking, repeated], abs=1e-4), name


@pytest.mark.parametrize(("views", "batch", "dim"), [(2, 7, 5), (4, 3, 6)])
def test_narrowness_is_made_of_numpys_nuclear_norm(views, batch, dim):
    z = drawn(views, batch, dim)
    centroids = sum(each / np.linalg.norm(each, axis=1, keepdims=True) for each in z.numpy()) / views
    most, least = math.sqrt(batch * min(batch, dim)), math.sqrt(batch)
    expected = (most - np.linalg.norm(centroids, "nuc")) / (most - least)
    assert narrowness(z).item() == pytest.approx(expected)


def test_narrowness_known_on_paper():
    """1 for one point, 0 for samples that share no direction and whose views agree, above 1 for views that cancel."""
    axes = torch.eye(4, dtype=torch.float64)
    assert narrowness(torch.ones(2, 6, 4)).item() == pytest.approx(1)
    assert narrowness(torch.stack([axes, 3 * axes])).item() == pytest.approx(0)
    assert narrowness(torch.stack([axes, axes, axes]).repeat(1, 5, 1)).item() == pytest.approx(0)
    assert narrowness(torch.stack([axes, -axes])).item() == pytest.approx(1 + 1 / (2 - 1))


def test_narrowness_falls_by_views_that_agree_as_by_samples_that_do_not():
    z = drawn(2, 8, 6)
    (pull,) = torch.autograd.grad(narrowness(z.requires_grad_()), z)
    assert pull.isfinite().all()
    apart = lambda of: F.cosine_similarity(of[0], of[1]).mean()  # noqa: E731
    assert apart(z - 0.1 * pull) > apart(z)


def test_off_centre_scale_and_shape_equal_naive_loops():
    z, directions = drawn(2, 6, 3), drawn(1, 4, 3, seed=1)[0]
    centre, scale, shape = [], [], []
    for view in z.numpy():
        centre += [view[:, i].mean() ** 2 for i in range(3)]
        scale += [(1 - view[:, i].std()) ** 2 for i in range(3)]
        unit = (view - view.mean(0)) / (view.std(0) + EPSILON)
        for direction in directions.numpy():
            along = np.sort(unit @ direction / np.linalg.norm(direction))
            quantiles = [norm.ppf((n + 1) / 7) for n in range(6)]
            shape += [(along[n] - quantiles[n] / np.sqrt(np.mean(np.square(quantiles)))) ** 2 for n in range(6)]
    assert off_centre(z).item() == pytest.approx(np.mean(centre))
    assert off_scale(z).item() == pytest.approx(np.mean(scale), rel=1e-4)
    assert off_shape(z, directions).item() == pytest.approx(np.mean(shape), rel=1e-5)


def test_visreg_of_a_large_batch_is_that_of_lightly():
    """Which does not scale the quantiles: of 2,000 they have a deviation of .997."""
    losses = pytest.importorskip("lightly.loss.visreg_loss")
    z = drawn(batch=2_000).float().exp()
    torch.manual_seed(3)
    theirs = losses.visreg_shape_loss(z, num_slices=8)
    torch.manual_seed(3)
    assert off_shape(z, torch.randn(5, 8).T).item() == pytest.approx(theirs.item(), rel=0.02)
    assert off_scale(z).item() == pytest.approx(losses.visreg_scale_loss(z).item(), rel=1e-3)
    assert off_centre(z).item() == pytest.approx(losses.visreg_center_loss(z).item(), rel=1e-5)


def test_shape_knows_neither_place_nor_scale_and_is_the_square_of_a_distance_between_distributions():
    """Of Wasserstein's second; the first one, which scipy has, is never above its root."""
    z, directions = drawn(1, 50, 1).exp(), torch.ones(1, 1, dtype=torch.float64)
    whole = off_shape(z, directions).item()
    assert off_shape(7 * z + 3, directions).item() == pytest.approx(whole, rel=1e-3)
    unit = ((z - z.mean()) / z.std(correction=0))[0, :, 0].numpy()
    quantiles = norm.ppf(np.arange(1, 51) / 51)
    quantiles /= quantiles.std()
    assert wasserstein_distance(unit, quantiles) < math.sqrt(whole)
    assert off_shape(torch.from_numpy(quantiles)[None, :, None], directions).item() < 1e-6 < whole


def test_one_point_is_off_by_a_deviation_and_all_quantiles_and_is_pulled_apart():
    """VISReg's reason: where samples are nearly one point the pull on their scale does not vanish."""
    point = torch.zeros(2, 200, 4, dtype=torch.float64)
    assert off_centre(point).item() == 0
    assert off_scale(point).item() == pytest.approx(1, abs=0.01)
    assert off_shape(point, torch.eye(4, dtype=torch.float64)).item() == pytest.approx(1)
    pulls = []
    for size in (1.0, 1e-2):
        near = (size * drawn(1, 20, 4)).requires_grad_()
        (pull,) = torch.autograd.grad(off_scale(near), near)
        pulls.append(float(pull.norm()))
    assert pulls[1] > pulls[0] / 2


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
