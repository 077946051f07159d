"""Small crops beside full views: what they are asked, that they are never what is asked about, and what is without
them as it always was."""

import pytest
import torch
import torch.nn.functional as F
from test_joint_embedding import COUNT, make, seen

from tacit.core import Progress, concatenate
from tacit.losses.contrastive import info_nce
from tacit.methods.similar import kinds_of, pairs_of
from tacit.nn.standardise import over_batch

LATE = Progress(9_999, 10_000)
PAIRS = [(0, 1), (1, 0), (2, 0), (2, 1), (3, 0), (3, 1)]
"""Who is asked about whom of two full views and two small crops."""


def unit(x):
    return F.normalize(x, dim=-1)


def answers(method, views):
    """What the student says from each view, as vectors of length one."""
    return [unit(method.predictor(method.student(view))) for view in views]


def byol(method, views):
    said, told = answers(method, views), torch.stack([method.teacher(view) for view in views[:2]])
    told = unit((told - told.mean((0, 1))) / (told.var((0, 1), correction=0) + 1e-6).sqrt())
    return [sum(2 - 2 * said[v][n] @ told[f][n] for v, f in PAIRS) / 6 for n in range(COUNT)]


def moco_v3(method, views):
    said, told = answers(method, views), [unit(method.teacher(view)) for view in views[:2]]
    right = torch.arange(COUNT)
    return list(sum(F.cross_entropy(said[v] @ told[f].T / 0.2, right, reduction="none") for v, f in PAIRS) / 6)


def tico(method, views):
    z, told = ([unit(net(view)) for view in views] for net in (method.student, method.teacher))
    matrix = sum(torch.outer(each, each) for each in torch.cat(z[:2])) / (2 * COUNT) / 10  # nine tenths are empty yet
    apart = [sum(1 - z[v][n] @ told[f][n] for v, f in PAIRS) / 6 for n in range(COUNT)]
    return [apart[n] + 8 * sum(z[v][n] @ matrix @ z[v][n] for v in range(4)) / 4 for n in range(COUNT)]


def nnclr(method, views):
    z = [unit(method.embedder(view)) for view in views]
    said = [unit(method.predictor(method.embedder(view))) for view in views]
    losses = torch.zeros(COUNT)
    for v, f in PAIRS:
        near = torch.stack([method.queue.keys[(method.queue.keys @ each).argmax()] for each in z[f]])
        losses = losses + F.cross_entropy(near @ said[v].T / 0.2, torch.arange(COUNT), reduction="none") / 6
    return list(losses)


def simsiam(method, views):
    z = [unit(method.embedder(view)) for view in views]
    said = [unit(method.predictor(method.embedder(view))) for view in views]
    about = [z[1], z[0], (z[0] + z[1]) / 2, (z[0] + z[1]) / 2]
    return [1 - sum(said[v][n] @ unit(about[v][n]) for v in range(4)) / 4 for n in range(COUNT)]


def moco(method, views):
    queries, key = [unit(method.student(views[at])) for at in (0, 2, 3)], unit(method.teacher(views[1]))
    losses = []
    for n in range(COUNT):
        odds = [torch.cat([q[n : n + 1] @ key[n], method.queue.keys @ q[n]]) / 0.1 for q in queries]
        losses.append(sum(each.logsumexp(0) - each[0] for each in odds) / 3)
    return losses


def ressl(method, views):
    asked, weak = [unit(method.student(views[at])) for at in (0, 2, 3)], unit(method.teacher(views[1]))
    losses = []
    for n in range(COUNT):
        told = (method.queue.keys @ weak[n] / 0.04).softmax(0)
        said = [(method.queue.keys @ each[n] / 0.1).log_softmax(0) for each in asked]
        losses.append(-sum(told @ each for each in said) / 3)
    return losses


NAIVE = {
    "byol": byol,
    "moco": moco,
    "moco-v3": moco_v3,
    "nnclr": nnclr,
    "ressl": ressl,
    "simsiam": simsiam,
    "tico": tico,
}
QUEUED = ("moco", "nnclr", "ressl")


def made(name, local):
    """The method, its teacher another network than its student, and what it sees."""
    method, sample = make(name, out=8, local=local, **({"queue": 24} if name in QUEUED else {}))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for key, weight in method.named_parameters():
            if key.startswith("teacher"):
                weight.add_(torch.randn(weight.shape, generator=generator) * 0.1)
    return method, seen(method, sample)


@pytest.mark.parametrize("name", NAIVE)
def test_small_crops_are_asked_about_full_views_and_a_teacher_learns_nothing(name):
    method, views = made(name, local=2)
    assert method.views == ("global", "weak" if name == "ressl" else "global", "local", "local")
    assert method.needs(method.Config(local=2)) == set(method.views)
    found = method.eval()(views, LATE)
    assert torch.allclose(found.loss, torch.stack(NAIVE[name](method, views)), atol=1e-4)
    assert all(len(rows) == COUNT and not rows.requires_grad for rows in found.carry.values())
    found.loss.mean().backward()
    reached = {key.split(".")[0] for key, weight in method.named_parameters() if weight.grad is not None}
    assert reached == {key.split(".")[0] for key, weight in method.named_parameters() if weight.requires_grad}
    assert "teacher" not in reached


def two_views(name, method, views):
    """The losses of two views in the words that they had before there were small crops."""
    if name == "simsiam":
        z = method.embedder.each(views)
        near = unit(z.detach())
        guess = torch.stack([method.predictor(each) for each in z])
        return 1 - F.cosine_similarity(guess, (near.sum(dim=0) - near) / 1, dim=2).mean(dim=0)
    if name == "nnclr":
        z = method.embedder.each(views)
        guess, right = unit(torch.stack([method.predictor(each) for each in z])), torch.arange(COUNT)
        near = [method._neighbours(each, views[0].index) for each in unit(z.detach())]
        scores = [near[own] @ guess[other].T / 0.2 for own, other in ((0, 1), (1, 0))]
        return torch.stack([F.cross_entropy(each, right, reduction="none") for each in scores]).mean(dim=0)
    if name in ("moco", "ressl"):
        asked, keys, queue = method.student(views[0]), unit(method.teacher(views[1])), method.queue
        if name == "moco":
            return info_nce(asked, keys, queue.keys, 0.1, views[0].index, queue.index)
        told = (keys @ queue.keys.T / 0.04).softmax(dim=1)
        return -(told * (unit(asked) @ queue.keys.T / 0.1).log_softmax(dim=1)).sum(dim=1)
    z, told = method.student.each(views), torch.stack([method.teacher(view) for view in views])
    if name == "tico":
        z = unit(z)
        apart = 1 - (z * unit(told).flip(0)).sum(dim=2).mean(dim=0)
        crowded = (z @ method._with(z.detach().flatten(0, 1), LATE) * z).sum(dim=2).mean(dim=0)
        return apart + 8 * crowded
    said, place = method.predictor(z.flatten(0, 1)).view_as(z), torch.arange(COUNT)
    if name == "byol":
        told = over_batch(told, told.flatten(0, 1))
        return sum(1 - F.cosine_similarity(said[own], told[1 - own]) for own in (0, 1))
    losses = [info_nce(said[own], told[1 - own], told[1 - own], 0.2, place, place) for own in (0, 1)]
    return torch.stack(losses).mean(dim=0)


@pytest.mark.parametrize("name", NAIVE)
def test_without_small_crops_a_loss_and_its_gradient_are_what_they_were_to_the_bit(name):
    method, views = made(name, local=0)
    assert len(views) == 2
    assert "local" not in method.needs(method.Config())
    gradients = []
    for loss in (method(views, LATE).loss, two_views(name, method, views)):
        trained = [weight for weight in method.parameters() if weight.requires_grad]
        gradients.append([loss.detach(), *torch.autograd.grad(loss.mean(), trained)])
    assert all(torch.equal(now, before) for now, before in zip(*gradients, strict=True))


@pytest.mark.parametrize(("name", "counted"), [("byol", [0, 1]), ("moco", [0])])
def test_what_a_teacher_is_normalised_by_is_of_the_full_views_that_its_student_saw(name, counted):
    method, views = made(name, local=2)
    method(views, LATE)
    held = {key: value.clone() for key, value in method.encoder.named_buffers()}
    other, _ = made(name, local=2)
    other.encoder(concatenate([views[at] for at in counted]))
    assert any("running_mean" in key and value.abs().sum() > 0 for key, value in held.items())
    assert all(torch.equal(value, held[key]) for key, value in other.encoder.named_buffers())


def test_kinds_and_pairs_of_full_views_and_small_crops():
    assert kinds_of(0) == ("strong", "strong")
    assert kinds_of(0, "next", full=3) == ("strong", "next", "next")
    assert kinds_of(2) == ("global", "local", "local")
    assert kinds_of(1, "next", full=2) == ("global", "next", "local")
    assert pairs_of(4) == PAIRS
    assert pairs_of(2, full=1) == [(1, 0)]
