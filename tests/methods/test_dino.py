"""DINO: its equation, what its teacher is given, and what it collapses without."""

import math

import pytest
import torch
import torch.nn.functional as F
from test_joint_embedding import COUNT, make, seen, trained

from tacit.core import Progress
from tacit.nn import prototypes

SMALL = {"choices": 16, "out": 8}


def standardised(x):
    return (x - x.mean(0)) / (x.var(0, correction=0) + 1e-6).sqrt()


def cosines(z, prototypes):
    return F.normalize(z, dim=-1) @ F.normalize(prototypes.weight, dim=1).T


def rounds_of(scores):
    """Sinkhorn's, number by number."""
    shares = (scores.double() / 0.03).exp()
    for _ in range(3):
        shares = shares / shares.sum(0)
        shares = shares / shares.sum(1, keepdim=True)
    return shares.float()


def moved(method):
    """The method with a teacher that is another network than its student."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in (*method.teacher.parameters(), *method.older.parameters()):
            weight.add_(torch.randn(weight.shape, generator=generator) * 0.1)
    return method


def test_it_is_the_papers_cross_entropy_of_all_pairs_of_a_full_view_and_another():
    method, sample = make("dino", local=1, **SMALL)
    moved(method).eval()
    views = seen(method, sample)
    likely = [cosines(method.student(view), method.prototypes).div(0.1).softmax(1) for view in views]
    told = standardised(torch.cat([method.teacher(view) for view in views[:2]]))
    shares = rounds_of(cosines(told, method.older.model)).chunk(2)
    naive = torch.zeros(COUNT)
    for row in range(COUNT):
        for full, other in ((0, 1), (0, 2), (1, 0), (1, 2)):
            for share, chance in zip(shares[full][row], likely[other][row], strict=True):
                naive[row] -= share * chance.log() / 4
    assert torch.allclose(method(views, Progress(0, 10)).loss, naive, atol=1e-4)


def test_it_is_the_teachers_entropy_and_the_students_divergence_from_it():
    method, sample = make("dino", **SMALL)
    moved(method).eval()
    views = seen(method, sample)
    shares = method._shares(views)
    logs = cosines(torch.stack([method.student(view) for view in views]), method.prototypes).div(0.1).log_softmax(2)
    entropy = torch.distributions.Categorical(shares).entropy()
    apart = F.kl_div(logs.flip(0), shares, reduction="none").sum(2)
    assert torch.allclose(method(views, Progress(0, 10)).loss, (entropy + apart).mean(0), atol=1e-4)


def test_who_knows_no_choice_from_another_pays_their_logarithm():
    method, sample = make("dino", **SMALL)
    with torch.no_grad():
        method.prototypes.weight.copy_(method.prototypes.weight[:1].expand(16, -1))
    step = method(seen(method, sample), Progress(0, 10))
    assert step.nothing_learnt == pytest.approx(math.log(16))
    assert torch.allclose(step.loss, torch.full((COUNT,), math.log(16)), atol=1e-4)


def test_the_teacher_gets_no_gradient_and_follows_in_update_alone():
    method, sample = make("dino", **SMALL)
    before = {name: value.clone() for name, value in method.older.state_dict().items()}
    method(seen(method, sample), Progress(0, 10)).loss.mean().backward()
    assert all(weight.grad is None for part in (method.teacher, method.older) for weight in part.parameters())
    assert all(torch.equal(value, before[name]) for name, value in method.older.state_dict().items())
    with torch.no_grad():
        method.prototypes.weight.add_(1)
        method.student.head[0].weight.add_(1)
    old = method.teacher.model.head[0].weight.clone()
    method.update({}, Progress(0, 10))
    assert torch.allclose(method.teacher.model.head[0].weight - old, torch.full_like(old, 0.9), atol=1e-5)
    assert torch.allclose(method.older.model.weight - before["model.weight"], torch.tensor(0.9), atol=1e-5)


def test_the_teachers_choices_are_sure_from_the_first_step_on():
    """As they would not be if what all samples have in common stayed: see `told_apart`."""
    method, sample = make("dino", **SMALL)
    shares = method._shares(seen(method, sample))
    assert torch.allclose(shares.sum(dim=2), torch.ones(2, COUNT), atol=1e-5)
    assert shares.amax(dim=2).mean() > 3 / 16


def chances(**settings):
    """How likely each choice is to each sample after training, `[B, choices]`."""
    method, sample = trained(*make("dino", **SMALL, **settings))
    with torch.no_grad():
        return cosines(method.student(sample), method.prototypes).div(0.1).softmax(1)


def test_it_takes_few_choices_without_sharing_out_and_none_where_the_teacher_is_not_sure(monkeypatch):
    """The two ways to collapse, each of which is what prevents the other (Caron et al. 2021, section 5.3)."""
    kept, unsure = chances(), chances(sharing=0.4)
    monkeypatch.setattr(prototypes, "shared_out", lambda scores, sharing: (scores / sharing).softmax(1))
    alone = chances()
    taken, few = (torch.distributions.Categorical(each.mean(0)).perplexity() for each in (kept, alone))
    assert few < taken / 2
    sure, even = (each.amax(1).mean() for each in (kept, unsure))
    assert sure > 3 / 16
    assert even < 1.5 / 16


def test_koleo_is_paid_for_features_of_full_views_that_lie_near_another_samples():
    method, sample = make("dino", local=1, koleo=0.5, **SMALL)
    method.eval()
    views = seen(method, sample)
    near = torch.zeros(COUNT)
    for view in views[:2]:
        unit = F.normalize(method.encoder(view).pooled, dim=1)
        near -= torch.cdist(unit, unit).fill_diagonal_(9).amin(dim=1).log()
    found = method(views, Progress(0, 10))
    method.config = method.config.model_copy(update={"koleo": 0.0})
    assert torch.allclose(found.loss - method(views, Progress(0, 10)).loss, 0.5 * near, atol=1e-3)
    assert float(found.metrics["koleo"]) == pytest.approx(float(near.detach().mean()), abs=1e-3)
