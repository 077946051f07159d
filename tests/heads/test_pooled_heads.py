"""The heads on one vector a sample: losses and metrics against scikit-learn and against what is known on paper."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import nn

from tacit.core import Encoder, Features, View
from tacit.heads import HEADS
from tacit.heads.classify import Classify
from tacit.heads.multilabel import MOST, Multilabel, average_precision
from tacit.heads.pooled import TableTargets
from tacit.heads.regress import Regress


class Flat(Encoder):
    """Samples as they are."""

    dim = 5

    def forward(self, view):
        return Features(view.x)


def built(kind, targets, **settings):
    head = kind(kind.Config(**settings), Flat(), View(torch.zeros(2, 5)), targets.classes)
    head.prepare(targets)
    return head.eval()


def classes(counts=(60, 25, 15)):
    return TableTargets(torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)), tuple("abc"))


def tags(n=100, seed=0):
    draw = torch.rand(n, 3, generator=torch.Generator().manual_seed(seed))
    return TableTargets((draw < torch.tensor([0.5, 0.2, 0.1])).float(), tuple("abc"))


def values(n=100, seed=0):
    return TableTargets(torch.randn(n, 2, generator=torch.Generator().manual_seed(seed)) * 7 + 40, ("w", "h"))


CASES = [(Classify, classes()), (Multilabel, tags()), (Regress, values())]
ALL = torch.arange(100)
ONCE = torch.ones(1, 100, dtype=torch.float64)


@pytest.mark.parametrize(("kind", "targets"), CASES)
def test_nothing_learnt_is_the_loss_of_the_best_constant(kind, targets):
    """Found by minimising over constants, without any formula."""
    head = built(kind, targets)
    truth = targets.of(View(ALL, index=ALL))
    constant = nn.Parameter(torch.zeros(len(targets.classes)))
    optimiser = torch.optim.LBFGS([constant], max_iter=200, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        value = head.loss(constant.expand(100, -1), truth).mean()
        value.backward()
        return value

    optimiser.step(loss)
    assert loss().item() == pytest.approx(head.nothing_learnt, rel=1e-3)


@pytest.mark.parametrize("kind", [Classify, Multilabel])
def test_nothing_learnt_holds_with_class_weights_too(kind):
    targets = classes() if kind is Classify else tags()
    head = built(kind, targets, class_weights=True)
    assert head.nothing_learnt == pytest.approx(math.log(3) if kind is Classify else head.nothing_learnt)
    truth = targets.of(View(ALL, index=ALL))
    losses = [head.loss(torch.full((100, 3), level), truth).mean().item() for level in (-1.0, 0.0, 1.0)]
    assert min(losses) >= head.nothing_learnt - 1e-4


def test_class_weights_make_every_class_count_alike():
    head = built(Classify, classes(), class_weights=True)
    assert (head.weight * torch.tensor([60.0, 25, 15])).tolist() == pytest.approx([100 / 3] * 3)
    rare = TableTargets(torch.tensor([[1.0]] + [[0.0]] * 9999), ("rare",))
    assert built(Multilabel, rare, class_weights=True).weight.item() == MOST
    never = TableTargets(torch.zeros(4, dtype=torch.long), ("a", "b"))
    assert built(Classify, never, class_weights=True).weight.tolist() == [1.0, 0.0]


def test_accuracies_are_those_of_scikit_learn():
    targets = classes()
    said = torch.rand(100, 3, generator=torch.Generator().manual_seed(1)).softmax(1)
    found = built(Classify, targets).judge([{"probabilities": said[:30]}, {"probabilities": said[30:]}], targets)(ONCE)
    predicted = said.argmax(1).numpy()
    assert found["accuracy"].item() == pytest.approx(metrics.accuracy_score(targets.values, predicted))
    balanced = metrics.balanced_accuracy_score(targets.values, predicted)
    assert found["balanced accuracy"].item() == pytest.approx(balanced)
    weighted = built(Classify, targets, class_weights=True).judge([{"probabilities": said}], targets)(ONCE)
    assert next(iter(weighted)) == "balanced accuracy", "what is trained for decides"


def test_average_precision_is_that_of_scikit_learn_with_weights_and_ties():
    generator = torch.Generator().manual_seed(0)
    scores = (torch.rand(60, generator=generator, dtype=torch.float64) * 10).round() / 10
    truth = (torch.rand(60, generator=generator) < 0.3).double()
    weights = torch.randint(0, 3, (5, 60), generator=generator).double()
    expected = [metrics.average_precision_score(truth, scores, sample_weight=row) for row in weights.numpy()]
    assert average_precision(scores, truth, weights).tolist() == pytest.approx(expected)
    assert average_precision(scores, torch.zeros(60).double(), weights).isnan().all()


def test_regression_scores_are_those_of_scikit_learn():
    targets = values()
    said = targets.values + torch.randn(100, 2, generator=torch.Generator().manual_seed(3)) * 3
    found = built(Regress, targets).judge([{"values": said}], targets)(ONCE)
    assert found["R2"].item() == pytest.approx(metrics.r2_score(targets.values, said), rel=1e-4)
    error = metrics.mean_absolute_error(targets.values[:, 1], said[:, 1])
    assert found["MAE of h"].item() == pytest.approx(error, rel=1e-4)


@pytest.mark.parametrize(("kind", "targets"), CASES)
def test_a_resample_counts_each_sample_as_often_as_it_stands_there(kind, targets):
    head = built(kind, targets)
    outputs = torch.randn(100, len(targets.classes), generator=torch.Generator().manual_seed(5))
    rows = torch.randint(100, (100,), generator=torch.Generator().manual_seed(6))
    weights = torch.bincount(rows, minlength=100)[None].double()
    weighed = head.judge([head.answers(outputs)], targets)(weights)
    repeated = head.judge([head.answers(outputs[rows])], targets.select(rows))(ONCE)
    assert {name: v.item() for name, v in weighed.items()} == pytest.approx(
        {name: v.item() for name, v in repeated.items()}
    )


@pytest.mark.parametrize(("kind", "targets"), CASES)
def test_who_never_looks_is_no_better_than_chance(kind, targets):
    head = built(kind, targets)
    found = head.judge([head.blind(targets, 100)], targets)(ONCE)
    chance = {"accuracy": 0.6, "mean average precision": targets.values.float().mean(0).mean().item(), "R2": 0.0}
    name, value = next(iter(found.items()))
    assert value.item() == pytest.approx(chance[name], abs=1e-4)


def test_regression_answers_in_the_units_of_the_labels():
    targets = TableTargets(torch.tensor([[1000.0], [3000.0]]), ("price",))
    head = built(Regress, targets)
    assert head.answers(torch.tensor([[0.0], [1.0]]))["values"].flatten().tolist() == [2000.0, 3000.0]
    constant = built(Regress, TableTargets(torch.full((4, 1), 5.0), ("same",)))
    assert constant.loss(torch.zeros(4, 1), torch.full((4, 1), 5.0)).tolist() == [0.0] * 4


@pytest.mark.parametrize("name", ["classify", "multilabel", "regress"])
def test_widths_of_features_do_not_matter(name):
    """One learning rate fits all encoders."""
    kind, targets = (
        HEADS[name],
        dict(zip(("classify", "multilabel", "regress"), (t for _, t in CASES), strict=True))[name],
    )
    x = torch.randn(100, 5, generator=torch.Generator().manual_seed(0))
    losses = []
    for scale in (1e-2, 1.0, 1e3):
        torch.manual_seed(0)
        head = built(kind, targets).train()
        losses.append(head.loss(head(Features(x * scale)), targets.of(View(x, index=ALL))).mean().item())
    np.testing.assert_allclose(losses[1:], losses[1], rtol=1e-3)
