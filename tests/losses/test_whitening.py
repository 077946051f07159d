import math

import numpy as np
import pytest
import torch

from tacit.losses.whitening import whitened, whitened_apart

NONE = 1e-13
"""A shrinkage that is next to none."""


def drawn(views=2, batch=13, dim=3, seed=0):
    """Features that say much of what others say, of very unequal scales."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(views, batch, dim, generator=generator, dtype=torch.float64)
    mixing = torch.randn(dim, dim, generator=generator, dtype=torch.float64) + torch.eye(dim)
    return 5 + x @ mixing * torch.logspace(-1, 1, dim, dtype=torch.float64)


def orders(rounds, batch):
    generator = torch.Generator().manual_seed(1)
    return torch.stack([torch.randperm(batch, generator=generator) for _ in range(rounds)])


def apart(z, shrinkage=NONE, rounds=1):
    return whitened_apart(z, orders(rounds, z.shape[1]), shrinkage)


def test_whitened_features_have_the_identity_as_covariance_and_0_as_mean():
    w = whitened(drawn(2, 40, 5), NONE)
    for view in w:
        assert torch.allclose(torch.cov(view.T), torch.eye(5, dtype=torch.float64), atol=1e-5)
        assert view.mean(0).abs().max() < 1e-9


def test_whitening_is_gram_and_schmidts():
    """Of centred samples Q R the covariance is R^T R / (N - 1), whose triangular root leaves Q, but for signs."""
    z = drawn(1, 20, 4)[0]
    q, r = np.linalg.qr((z - z.mean(0)).numpy())
    assert np.allclose(whitened(z, NONE), q * np.sign(np.diag(r)) * math.sqrt(19), atol=1e-5)


@pytest.mark.parametrize(("batch", "sizes"), [(13, [7, 6]), (6, [6]), (5, [5])])
def test_it_equals_a_naive_loop_over_rounds_sub_batches_and_pairs(batch, sizes):
    """Of five samples two features are whitened."""
    z, rounds, naive = drawn(3, batch), orders(2, batch), np.zeros(batch)
    width = min(3, batch // 2)
    for order in rounds.numpy():
        for part in np.split(order, np.cumsum(sizes)[:-1]):
            unit = []
            for view in z.numpy():
                x = view[part][:, :width]
                covariance = 0.8 * np.cov(x.T) + 0.2 * np.cov(x.T).trace() / width * np.eye(width)
                w = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(covariance)).T
                unit.append(w / np.linalg.norm(w, axis=1, keepdims=True))
            for place, sample in enumerate(part):
                for first, second in ((0, 1), (0, 2), (1, 2)):
                    naive[sample] += np.square(unit[first][place] - unit[second][place]).sum() / 6
    assert np.allclose(whitened_apart(z, rounds, 0.2), naive)


def test_it_is_that_of_lightly():
    losses = pytest.importorskip("lightly.loss")
    z = drawn(3, 16, 4).float()
    theirs = losses.WMSELoss(embedding_dim=4, track_running_stats=False, w_iter=2, w_size=8, num_samples=3)
    torch.manual_seed(3)
    expected = theirs(z.flatten(0, 1)).detach()
    torch.manual_seed(3)
    rounds = torch.stack([torch.randperm(16) for _ in range(2)])
    assert float(whitened_apart(z, rounds, NONE).mean()) == pytest.approx(float(expected), rel=1e-4)


def test_values_known_on_paper():
    """0 for the same view, at any scale, and with each feature told along with those before it, which whitening takes
    off; 4 for the opposite; 2 for one point, which is where it pulls nowhere, and for what has nothing in common."""
    z = drawn(1, 12)[0]
    along = z @ torch.tensor([[2.0, 1, -1], [0, 0.1, 3], [0, 0, 7]], dtype=torch.float64) + 4
    for other, value in ((z, 0), (1e-3 * z, 0), (along, 0), (-z, 4)):
        assert apart(torch.stack([z, other])).tolist() == pytest.approx([value] * 12, abs=1e-4)
    point = torch.ones(2, 12, 3, requires_grad=True)
    loss = apart(point, 1e-3)
    assert loss.tolist() == [2] * 12
    (pull,) = torch.autograd.grad(loss.mean(), point)
    assert pull.isfinite().all()
    strangers = torch.randn(2, 4000, 8, generator=torch.Generator().manual_seed(0))
    assert apart(strangers).mean().item() == pytest.approx(2, abs=0.05)


def test_shrinkage_knows_no_scale():
    """Else embeddings could be made so small that it is all there is of their covariance."""
    z = drawn(2, 12)
    assert torch.allclose(apart(1e-3 * z - 1, 0.1), apart(z, 0.1))
    assert not torch.allclose(apart(z, 0.1), apart(z, 0.2), atol=1e-3)


def test_half_precision_around_it_changes_nothing_and_what_is_no_number_stays_one():
    """A loss of NaN is named by the watch; an error of linear algebra would tell the user nothing."""
    z = drawn(2, 12).float()
    expected = apart(z)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(apart(z), expected)
    z[0, 3] = math.nan
    assert apart(z).mean().isnan()
