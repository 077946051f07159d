import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tacit.core import Draws, Progress, View
from tacit.evaluation.health import spread
from tacit.methods import byol as page
from tacit.methods.byol import BYOL
from tacit.modalities.audio import AUDIO
from tacit.nn.standardise import over_batch
from tacit.nn.tdnn import TDNN


def clips(count=32, frames=16, bands=12):
    generator = torch.Generator().manual_seed(0)
    shape = torch.randn(count, 1, bands, generator=generator)
    x = 2 * shape + torch.randn(count, frames, bands, generator=generator) - 5
    return View(x, torch.ones(count, frames, dtype=torch.bool), index=torch.arange(count))


def make(**settings):
    torch.manual_seed(0)
    sample = clips()
    encoder = TDNN(TDNN.Config(width=16), sample)
    return BYOL(BYOL.Config(hidden=32, out=16, **settings), encoder, AUDIO, sample), sample


def seen(view, step=0):
    augment = AUDIO.augment(AUDIO.config())["strong"]
    return [augment(view, Draws.of(0, step, view.index, number)) for number in (0, 1)]


class Taking(nn.Module):
    """Takes off what all have in common."""

    def forward(self, x):
        return over_batch(x)


def test_the_loss_is_the_papers_in_both_directions():
    """|q / |q| - t / |t||^2 = 2 - 2 cos (equation 2), halved, summed over both orders; t without what all share."""
    method, sample = make()
    method.eval()
    views = seen(sample)
    loss = method(views, Progress(0, 10)).loss
    z = [method.student(view) for view in views]
    t = [method.teacher(view) for view in views]
    both = torch.cat(t)
    t = [(each - both.mean(0)) / (both.var(0, correction=0) + 1e-6).sqrt() for each in t]
    naive = sum(
        (F.normalize(method.predictor(z[own]), dim=1) - F.normalize(t[1 - own], dim=1)).square().sum(1) / 2
        for own in (0, 1)
    )
    assert torch.allclose(loss, naive, atol=1e-5)


def test_a_perfect_guess_costs_nothing_and_an_unrelated_one_two():
    method, sample = make()
    method.predictor = Taking()
    method.teacher.model = copy.deepcopy(method.student).eval()
    method.eval()
    same = [sample, sample]
    assert torch.allclose(method(same, Progress(0, 10)).loss, torch.zeros(32), atol=1e-5)
    assert method(same, Progress(0, 10)).nothing_learnt == 2


def test_the_teacher_gets_no_gradient_and_moves_after_the_step_alone():
    method, sample = make(momentum=0.5)
    before = {name: value.clone() for name, value in method.teacher.state_dict().items()}
    method(seen(sample), Progress(0, 10)).loss.mean().backward()
    assert all(parameter.grad is None for parameter in method.teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in method.teacher.state_dict().items())
    with torch.no_grad():
        method.student.head[0].weight.add_(1)
    method.update({}, Progress(9_999, 20_000))
    moved = method.teacher.model.head[0].weight - before["model.head.0.weight"]
    assert torch.allclose(moved, torch.full_like(moved, 1 - 0.75), atol=1e-3)  # half way from .5 to 1


def test_the_teachers_momentum_ends_at_one():
    method, _ = make(momentum=0.9)
    with torch.no_grad():
        for parameter in method.student.parameters():
            parameter.add_(1)
    before = method.teacher.model.head[0].weight.clone()
    method.update({}, Progress(10**7, 10**7))
    assert torch.allclose(method.teacher.model.head[0].weight, before, atol=1e-5)


@pytest.mark.parametrize("predicting", [True, False])
@pytest.mark.parametrize("standardised", [True, False])
def test_the_predictor_is_what_prevents_collapse_and_targets_without_what_all_have_in_common(
    predicting, standardised, monkeypatch
):
    """Without predictor and slow teacher all embeddings of the paper's own loss become one; with either they stay
    apart."""
    method, sample = make()
    if not predicting:
        method.predictor = nn.Identity()
    if not standardised:
        monkeypatch.setattr(page, "over_batch", lambda told: told)
    optimiser = torch.optim.AdamW(method.parameters(), lr=3e-3)
    start = spread(method.student(sample).detach())
    for step in range(150):
        views = seen(sample, step)
        if not predicting:
            method.teacher.model.load_state_dict(method.student.state_dict())
        method(views, Progress(step, 150)).loss.mean().backward()
        optimiser.step()
        optimiser.zero_grad()
        method.update({}, Progress(step, 150))
    end = spread(method.student(sample).detach())
    assert math.isfinite(end)
    assert (end > 0.5 * start) if predicting or standardised else (end < 0.25 * start), (start, end)
