import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tacit.losses.coding import coding_rate, distance_to_mean, least_rate, most_rate

VIEWS = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_the_coding_rate_is_that_of_numpys_determinant_of_a_loop_over_samples():
    for view, found in zip(VIEWS, coding_rate(VIEWS, 0.2).tolist(), strict=True):
        spread = np.eye(4)
        for sample in F.normalize(view, dim=1).numpy():
            spread += 4 / (5 * 0.2) * np.outer(sample, sample)
        assert found == pytest.approx(math.log(np.linalg.det(spread)) / 2)


def test_distances_to_the_mean_are_those_of_a_loop():
    for sample, found in enumerate(distance_to_mean(VIEWS).tolist()):
        each = [view[sample] / view[sample].norm() for view in VIEWS]
        mean = sum(each) / 3
        assert found == pytest.approx(1 - sum(float(one @ mean / mean.norm()) for one in each) / 3)


@pytest.mark.parametrize("batch", [2, 4, 8])
def test_values_known_on_paper(batch):
    """One point: a single eigenvalue, D / e^2. Axes: as many as there are, each with its share of it."""
    axes = torch.eye(4).repeat(2, 1)[None, :batch] * 7
    assert coding_rate(torch.ones(1, batch, 4), 0.5).item() == pytest.approx(math.log(9) / 2)
    assert least_rate(4, 0.5) == pytest.approx(math.log(9) / 2)
    sides = min(batch, 4)
    assert coding_rate(axes, 0.5).item() == pytest.approx(sides * math.log(1 + 8 / sides) / 2)
    assert most_rate(batch, 4, 0.5) == pytest.approx(sides * math.log(1 + 8 / sides) / 2)
    assert distance_to_mean(torch.ones(3, batch, 4)).tolist() == pytest.approx([0.0] * batch, abs=1e-6)
    assert distance_to_mean(torch.eye(2)[:, None]).tolist() == pytest.approx([1 - 0.5**0.5])


def test_what_is_no_number_is_told_as_such_and_ends_nothing():
    """Whoever trains has to be told what is wrong."""
    z = torch.eye(4)[None].repeat(2, 1, 1)
    z[1, 0, 0] = torch.nan
    rates = coding_rate(z, 0.5)
    assert rates[0].isfinite()
    assert rates[1].isnan()
