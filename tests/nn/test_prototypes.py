import math

import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment

from tacit.nn.prototypes import Prototypes, centres, shared_by_place, shared_out


def test_scores_are_cosines_whatever_the_lengths():
    torch.manual_seed(0)
    prototypes, z = Prototypes(6, 3), torch.randn(4, 6)
    naive = torch.nn.functional.cosine_similarity(z[:, None], prototypes.weight[None], dim=2)
    assert torch.allclose(prototypes(7 * z), naive, atol=1e-6)


def test_all_prototypes_get_as_many_samples():
    scores = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    scores[:, 0] += 3  # which all would take
    shares = shared_out(scores, 0.5, rounds=100)
    assert torch.allclose(shares.sum(dim=1), torch.ones(60), atol=1e-5)
    assert torch.allclose(shares.sum(dim=0), torch.full((5,), 12.0), atol=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_as_good_as_the_best_assignment_but_for_what_the_temperature_costs(seed):
    """Exact transport of as many samples as prototypes is an assignment; entropy costs T n ln n at most."""
    scores, temperature = torch.randn(6, 6, generator=torch.Generator().manual_seed(seed)), 0.05
    rows, columns = linear_sum_assignment(-scores.numpy())
    best = float(scores[rows, columns].sum())
    found = float((shared_out(scores, temperature, rounds=5000) * scores).sum())
    assert best - temperature * 6 * math.log(6) <= found <= best + 1e-3


def test_no_round_leaves_less_than_a_whole_to_a_sample():
    scores = torch.full((8, 4), -1.0)
    scores[:, 2] = 1.0
    shares = shared_out(scores, 1e-3)
    assert shares.isfinite().all()
    assert torch.allclose(shares.sum(dim=1), torch.ones(8))


def test_at_each_place_its_own_tokens_are_shared_out_and_what_is_none_gets_nothing():
    scores = torch.randn(9, 5, 4, generator=torch.Generator().manual_seed(0))
    valid = torch.arange(5) < torch.tensor([5, 5, 4, 4, 3, 3, 3, 2, 0])[:, None]
    valid[:, 4] = False  # a place where nobody has a token
    shares = shared_by_place(scores.masked_fill(~valid[..., None], torch.nan), valid, 0.2)
    for place in range(5):
        rows = [row for row in range(9) if valid[row, place]]
        naive = [[math.exp(float(score) / 0.2) for score in scores[row, place]] for row in rows]
        for _ in range(3):
            sums = [sum(column) for column in zip(*naive, strict=True)]
            naive = [[x / total for x, total in zip(row, sums, strict=True)] for row in naive]
            naive = [[x / sum(row) for x in row] for row in naive]
        assert torch.allclose(shares[rows, place], torch.tensor(naive).view(len(rows), 4), atol=1e-5)
    assert float(shares[~valid].abs().sum()) == 0


def test_centres_are_where_directions_lie_and_no_better_ones_are_near():
    around = F.normalize(torch.randn(4, 8), dim=1)
    z = F.normalize(around.repeat_interleave(10, 0) + 0.05 * torch.randn(40, 8), dim=1)
    found = centres(z, 4)
    assert torch.allclose((found @ around.T).amax(dim=0), torch.ones(4), atol=0.01)
    naive = torch.stack([F.normalize(z[(z @ found.T).argmax(1) == k].sum(0), dim=0) for k in range(4)])
    assert torch.allclose(found, naive, atol=1e-6), "each is the mean direction of what is nearest to it"


def test_centres_of_what_lies_in_one_place_stand_and_are_numbers():
    assert torch.allclose(centres(torch.eye(3)[[0, 0, 0]], 3), torch.eye(3)[[0, 0, 0]])
