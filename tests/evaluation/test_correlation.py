import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, rankdata, spearmanr

from tacit.evaluation.correlation import pearson, ranks, spearman

VALUES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 3)), min_size=3, max_size=20)


@given(VALUES)
def test_weights_count_samples_as_often_as_they_stand_there(rows):
    x, y, times = (torch.tensor(column, dtype=torch.float64) for column in zip(*rows, strict=True))
    repeated = [np.repeat(each.numpy(), times.int().numpy()) for each in (x, y)]
    if any(len(np.unique(each)) < 2 for each in repeated):
        return
    for ours, theirs in ((spearman, spearmanr), (pearson, pearsonr)):
        assert float(ours(x, y, times[None])) == pytest.approx(theirs(*repeated).statistic, abs=1e-9)


def test_ties_share_their_mean_rank():
    values = torch.tensor([3.0, 1.0, 3.0, 2.0, 3.0])
    assert ranks(values, torch.ones(1, 5))[0].tolist() == rankdata(values.numpy()).tolist()


def test_nothing_follows_from_a_constant():
    assert spearman(torch.ones(4), torch.arange(4.0), torch.ones(2, 4)).tolist() == [0, 0]


def test_the_value_on_paper():
    """Kendall and Stuart's formula without ties: 1 - 6 sum d^2 / (n (n^2 - 1))."""
    first, second = torch.tensor([1.0, 2, 3, 4, 5]), torch.tensor([2.0, 1, 4, 3, 5])
    assert float(spearman(first, second, torch.ones(1, 5))) == pytest.approx(1 - 6 * 4 / (5 * 24))
