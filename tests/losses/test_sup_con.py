"""SupCon: against its equation read aloud, values on paper, NT-Xent and an independent library."""

import math
import warnings

import pytest
import torch
import torch.nn.functional as F

from tacit.losses.contrastive import nt_xent, sup_con

LABEL = torch.tensor([2, 0, -1, 2, 5, -1, 2, 0])
"""Classes of three, of two and of one, and two samples without."""


def naive(z, temperature, label):
    """Equation 2, L_out."""
    views, batch, _ = z.shape
    cosine = lambda a, b: float(F.cosine_similarity(a, b, dim=0))  # noqa: E731
    losses = []
    for i in range(batch):
        total = 0.0
        for v in range(views):
            others = [(w, k) for w in range(views) for k in range(batch) if (w, k) != (v, i)]
            bottom = sum(math.exp(cosine(z[v, i], z[at]) / temperature) for at in others)
            right = [(w, k) for w, k in others if k == i or (label[k] == label[i] and label[i] >= 0)]
            total -= sum(cosine(z[v, i], z[at]) / temperature - math.log(bottom) for at in right) / len(right)
        losses.append(total / views)
    return torch.tensor(losses, dtype=torch.float64)


@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("temperature", [0.01, 0.2])
def test_the_loss_equals_a_naive_loop(views, temperature):
    z = torch.randn(views, 8, 6, dtype=torch.float64)
    assert torch.allclose(sup_con(z, temperature, LABEL), naive(z, temperature, LABEL))


def test_values_on_paper():
    equal = sup_con(torch.ones(3, 8, 2), 0.1, LABEL)
    assert torch.allclose(equal, torch.tensor(3.0 * 8 - 1).log().expand(8))
    z = torch.eye(2)[[0, 0, 1]].repeat(2, 1, 1)
    two, one = math.log(3 * math.e + 2) - 1, math.log(math.e + 4) - 1
    assert torch.allclose(sup_con(z, 1.0, torch.tensor([4, 4, 0])), torch.tensor([two, two, one]))


def test_without_any_label_it_is_nt_xent():
    z = torch.randn(3, 8, 5)
    assert torch.equal(sup_con(z, 0.3, torch.full((8,), -1)), nt_xent(z, 0.3))


def test_the_loss_and_its_gradient_agree_with_pytorch_metric_learning():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        losses = pytest.importorskip("pytorch_metric_learning.losses")
    mine = torch.randn(2, 8, 6, dtype=torch.float64, requires_grad=True)
    theirs = mine.detach().clone().requires_grad_()
    value = sup_con(mine, 0.2, LABEL).mean()
    label = LABEL.where(LABEL >= 0, 100 + torch.arange(8))
    other = losses.SupConLoss(temperature=0.2)(theirs.flatten(0, 1), label.repeat(2))
    value.backward()
    other.backward()
    assert torch.allclose(value, other)
    assert torch.allclose(mine.grad, theirs.grad)
