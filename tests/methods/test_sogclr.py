"""SogCLR: what it remembers of each sample, and that small batches then pull as the whole set does."""

import math

import pytest
import torch
import torch.nn.functional as F
from test_joint_embedding import COUNT, make, seen

from tacit.core import Progress
from tacit.losses.contrastive import global_contrast, nt_xent


def loudness(z, temperature):
    """`[V, B]`: the mean of exp(similarity / T) over all views of other samples."""
    views, batch, _ = z.shape
    z = F.normalize(z, dim=2)
    rows = []
    for v in range(views):
        rows.append([])
        for i in range(batch):
            others = [z[w, k] for w in range(views) for k in range(batch) if k != i]
            rows[-1].append(sum(torch.exp(z[v, i] @ other / temperature) for other in others) / len(others))
    return torch.stack([torch.stack(row) for row in rows])


@pytest.mark.parametrize("views", [2, 3])
def test_the_gradient_is_the_papers_and_the_mean_moves_as_there(views):
    z = torch.randn(views, 5, 4, dtype=torch.float64, requires_grad=True)
    before, known = torch.rand(5, dtype=torch.float64), torch.tensor([True, False, True, True, False])
    loss, now = global_contrast(z, 0.3, before, known, 0.7)
    found = torch.autograd.grad(loss.sum(), z)[0]

    g, unit = loudness(z, 0.3), F.normalize(z, dim=2)
    mean = g.mean(dim=0).detach()
    u = torch.where(known, 0.3 * before.exp() + 0.7 * mean, mean)
    assert torch.allclose(now.exp(), u)
    near = sum((unit[v] * unit[w]).sum(1) for v in range(views) for w in range(views) if v != w) / (views - 1) / 0.3
    wanted = torch.autograd.grad((((g / u).sum(dim=0) - near) / views).sum(), z)[0]
    assert torch.allclose(found, wanted)


def test_equal_similarities_cost_what_the_decoupled_loss_does_and_pull_as_it():
    z = torch.eye(4, dtype=torch.float64).expand(2, -1, -1).clone().requires_grad_()
    loss, now = global_contrast(z, 0.5, torch.zeros(4), torch.zeros(4, dtype=torch.bool), 0.9)
    assert torch.allclose(now, torch.zeros_like(now)), "exp(0) on average"
    assert torch.allclose(loss, torch.full_like(loss, math.log(6) - 2))
    (own,) = torch.autograd.grad(loss.sum(), z)
    (theirs,) = torch.autograd.grad(nt_xent(z, 0.5, decoupled=True).sum(), z)
    assert torch.allclose(own, theirs)


def test_small_batches_that_remember_pull_as_the_whole_set_does():
    """All samples stand still, so that means settle; batches of four of 64, many times."""
    z = F.normalize(torch.randn(2, 64, 3, dtype=torch.float64), dim=2).requires_grad_()

    def pull(loss):
        return torch.autograd.grad(loss.sum(), z)[0]

    whole = pull(nt_xent(z, 0.1, decoupled=True))
    u, known = torch.zeros(64, dtype=torch.float64), torch.zeros(64, dtype=torch.bool)
    remembered, forgetful = torch.zeros_like(whole), torch.zeros_like(whole)
    for turn in range(150):
        for rows in torch.randperm(64).split(4):
            loss, now = global_contrast(z[:, rows], 0.1, u[rows], known[rows], 0.05)
            u[rows], known[rows] = now, True
            if turn >= 50:
                remembered += pull(loss)
                forgetful += pull(nt_xent(z[:, rows], 0.1, decoupled=True))

    def error(found):
        return float((found / 100 - whole).norm() / whole.norm())

    assert error(remembered) < 0.5 * error(forgetful)


def test_what_was_loud_is_kept_by_sample():
    method, sample = make("sogclr", pace=0.5, memory=COUNT)
    step = method(seen(method, sample), Progress(0, 10))
    method.update(step.carry, Progress(0, 10))
    first, known = method.memory.recall(sample.index)
    assert known.all()
    again = method(seen(method, sample, 1), Progress(1, 10))
    method.memory.keys.zero_()
    anew = method(seen(method, sample, 1), Progress(1, 10))
    assert not torch.equal(again.loss, anew.loss), "the loss reads what was kept"
    assert torch.allclose(first, step.carry["loudness"])
