"""Counts and measures of overlap, against plain loops and scikit-learn."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, jaccard_score

from tacit.evaluation.overlap import VOID, accuracy, iou, mean_iou, tally, weighted


def masks(seed, samples=3, classes=4, void=0.2):
    draw = torch.Generator().manual_seed(seed)
    predicted, truth = torch.randint(classes, (2, samples, 5, 6), generator=draw)
    truth[torch.rand(truth.shape, generator=draw) < void] = VOID
    return predicted.to(torch.uint8), truth.to(torch.uint8)


@given(st.integers(0, 1000))
def test_measures_are_those_of_scikit_learn(seed):
    predicted, truth = masks(seed)
    known = truth.flatten() != VOID
    said, meant = predicted.flatten()[known].numpy(), truth.flatten()[known].numpy()
    total = tally(predicted, truth, 4).sum(0)
    by_class = jaccard_score(meant, said, labels=range(4), average=None, zero_division=0)
    present = np.isin(np.arange(4), meant)
    np.testing.assert_allclose(iou(total).numpy()[present], by_class[present])
    assert iou(total).isnan().numpy().tolist() == (~present).tolist()
    np.testing.assert_allclose(mean_iou(total), by_class[present].mean())
    np.testing.assert_allclose(accuracy(total), accuracy_score(meant, said))


def test_each_sample_is_counted_by_itself():
    predicted, truth = masks(0)
    together = tally(predicted, truth, 4)
    for row in range(3):
        assert torch.equal(together[row], tally(predicted[row : row + 1], truth[row : row + 1], 4)[0])


def test_resamples_are_sets_in_which_samples_stand_several_times():
    predicted, truth = masks(1)
    rows = torch.tensor([2, 0, 2])
    weights = torch.bincount(rows, minlength=3).double()[None]
    drawn = weighted(weights, tally(predicted, truth, 4))[0]
    assert torch.equal(drawn.long(), tally(predicted[rows], truth[rows], 4).sum(0))


def test_a_right_answer_is_worth_1_and_void_nothing():
    _, truth = masks(2)
    answer = torch.where(truth == VOID, 0, truth)
    assert mean_iou(tally(answer, truth, 4).sum(0)) == 1
    assert mean_iou(tally(answer, torch.full_like(truth, VOID), 4).sum(0)).isnan()
