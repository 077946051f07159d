"""Areas and precisions under weights, against scikit-learn and values known on paper."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from tacit.evaluation.events import ordered


@given(st.integers(0, 1000), st.sampled_from([0, 1]))
def test_both_are_scikit_learns_on_the_moments_that_the_weights_repeat(seed, digits):
    """With equal scores and without."""
    generator = torch.Generator().manual_seed(seed)
    came = torch.rand(50, generator=generator) < 0.3
    came[:2] = torch.tensor([True, False])
    scores = torch.randn(50, generator=generator).double() + came
    scores = scores.round(decimals=0) if digits == 0 else scores
    of = torch.arange(50) % 5
    weights = torch.randint(0, 3, (3, 5), generator=generator).double()
    weights[:, :2] += 1
    areas, precisions = ordered(scores, came, of, weights)
    for row, weight in enumerate(weights):
        known = {"y_true": came.numpy(), "y_score": scores.numpy(), "sample_weight": weight[of].numpy()}
        assert math.isclose(areas[row], roc_auc_score(**known), abs_tol=1e-9)
        assert math.isclose(precisions[row], average_precision_score(**known), abs_tol=1e-9)


def test_values_on_paper():
    one, same = torch.ones(1, 1, dtype=torch.float64), torch.zeros(4, dtype=torch.long)
    came = torch.tensor([True, False, True, False])
    area, precision = ordered(torch.tensor([4.0, 3, 2, 1]), came, same, one)
    assert math.isclose(area.item(), 0.75)
    assert math.isclose(precision.item(), (1 + 2 / 3) / 2)
    area, precision = ordered(torch.zeros(4), came, same, one)
    assert (area.item(), precision.item()) == (0.5, 0.5), "who says nothing is right as often as it comes"
    area, precision = ordered(torch.zeros(4), torch.zeros(4, dtype=torch.bool), same, one)
    assert (area.item(), precision.item()) == (0.5, 0.0)
