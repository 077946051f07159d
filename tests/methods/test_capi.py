"""CAPI: what it asks for, what of it learns by which loss, and what it does not compute."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from test_dropping_methods import frames, images, made, step_of

from tacit.core import Draws, Progress, View
from tacit.methods.capi import CAPI
from tacit.nn.masking import hidden_of, one_seen

SMALL = {"clusters": 6, "layers": 1}


def hidden_by(method, view, seed=3):
    """What the next step hides."""
    torch.manual_seed(seed)
    draws, tokens = Draws.fresh(len(view), view.x.device), method.backbone.cut(view)
    return one_seen(hidden_of(tokens, method.config.share, 1, draws), tokens, draws)


def rounds_of(cosines):
    """Sinkhorn's rounds as in the authors' code, on `[N, K]`."""
    shares = (cosines / 0.06).exp()
    for _ in range(3):
        shares = shares / shares.sum(0, keepdim=True)
        shares = shares / shares.sum(1, keepdim=True)
    return shares


def told_by(method, view):
    """Each valid token of each sample: its place, and its cosines to the clusters, read aloud."""
    whole = method.teacher.model(view)
    mean, std = whole.tokens[whole.valid].mean(0), whole.tokens[whole.valid].std(0, correction=0)
    centres = method.clusters.weight
    return [
        {place: F.cosine_similarity((row[place] - mean) / std, centres) for place in valid.nonzero().flatten().tolist()}
        for row, valid in zip(whole.tokens, whole.valid, strict=True)
    ]


@pytest.mark.parametrize("places", [False, True])
@pytest.mark.parametrize("view", [frames(), images()], ids=["frames", "grid"])
def test_the_loss_is_that_of_each_hidden_token_and_of_each_token_of_the_teacher_read_aloud(view, places):
    method = made(CAPI, view, places=places, **SMALL)
    with torch.no_grad():
        for weight in method.teacher.parameters():
            weight.add_(torch.randn(weight.shape) * 0.03)
    hide, tokens, told = hidden_by(method, view), method.backbone.cut(view), told_by(method, view)
    shares = {}
    for place in sorted({place for row in told for place in row}) if places else [None]:
        at = [(row, each) for row, found in enumerate(told) for each in found if place in (None, each)]
        shares.update(zip(at, rounds_of(torch.stack([told[row][each] for row, each in at])), strict=True))
    states = method.backbone.layers(tokens.only(~hide))[-1]
    for row, loss in enumerate(step_of(method, view).loss.detach()):
        parts = {part: getattr(tokens, part)[row : row + 1] for part in ("x", "target", "where", "valid")}
        one, asked = replace(tokens, **parts), hide[row : row + 1]
        said = method.predictor(states[row : row + 1], one.only(~asked), asked)
        found = [
            -(shares[row, place] * (F.cosine_similarity(each, method.choices.weight) / 0.12).log_softmax(0)).sum()
            for place, each in zip(hide[row].nonzero().flatten().tolist(), said, strict=True)
        ]
        put = [-(shares[row, place] * (each / 0.12).log_softmax(0)).sum() for place, each in told[row].items()]
        naive = (torch.stack(found).mean() + torch.stack(put).mean()).detach()
        assert float(loss) == pytest.approx(float(naive), rel=1e-3)


def test_who_knows_no_cluster_from_another_pays_their_logarithm_twice():
    view = frames()
    method = made(CAPI, view, **SMALL)
    with torch.no_grad():
        for choices in (method.choices, method.clusters):
            choices.weight.copy_(choices.weight[:1].expand(6, -1))
    step = step_of(method, view)
    assert step.nothing_learnt == pytest.approx(2 * math.log(6))
    assert torch.allclose(step.loss, torch.full((len(view),), 2 * math.log(6)), atol=1e-4)
    assert float(step.metrics["clusters_used"]) == pytest.approx(6, abs=1e-3)


def test_clusters_learn_by_their_own_loss_of_which_the_encoder_hears_nothing_and_the_teacher_hears_none():
    view = frames()
    method = made(CAPI, view, **SMALL)
    with torch.no_grad():  # whatever is said of hidden tokens costs the same, so that the clusters' loss alone pulls
        method.choices.weight.copy_(method.choices.weight[:1].expand(6, -1))
    step_of(method, view).loss.mean().backward()
    assert float(method.clusters.weight.grad.abs().amax()) > 1e-3
    for part in (method.backbone, method.predictor):
        assert all(weight.grad.abs().amax() < 1e-6 for weight in part.parameters() if weight.grad is not None)
    assert all(weight.grad is None for weight in method.teacher.parameters())


def test_the_teacher_is_slow_and_moves_after_the_step_alone():
    view = frames()
    method = made(CAPI, view, momentum=0.9, **SMALL)
    before = method.teacher.model.norm.weight.clone()
    step_of(method, view)
    assert torch.equal(method.teacher.model.norm.weight, before)
    with torch.no_grad():
        method.backbone.norm.weight.add_(1)
    method.update({}, Progress(0, 10))
    assert torch.allclose(method.teacher.model.norm.weight - before, torch.full_like(before, 0.1), atol=1e-5)
    method.update({}, Progress(10, 10))
    assert torch.allclose(method.teacher.model.norm.weight - before, torch.full_like(before, 0.1), atol=1e-5)


@pytest.mark.parametrize("places", [False, True])
def test_padding_is_inert(places):
    view, pad = frames(), F.pad
    longer = View(pad(view.x, (0, 0, 0, 7), value=9.0), pad(view.valid, (0, 7)), pad(view.where, (0, 7)))
    method = made(CAPI, view, places=places, **SMALL)
    assert torch.allclose(step_of(method, view).loss, step_of(method, longer).loss, atol=1e-5)


def test_what_is_hidden_reaches_no_answer_and_is_not_computed():
    view = images()
    method = made(CAPI, view, **SMALL)
    hide, side, computed, said = hidden_by(method, view), method.backbone.stem.patch, [], []
    method.backbone.blocks[0].register_forward_hook(lambda _, given, __: computed.append(len(given[0])))
    method.predictor.register_forward_hook(lambda _, __, answer: said.append(answer))
    cells = hide.view(8, 1, 32 // side, 32 // side).repeat_interleave(side, 2).repeat_interleave(side, 3)
    first, second = (step_of(method, each) for each in (view, View(torch.where(cells, 1 - view.x, view.x))))
    assert computed == 2 * [int((~hide).sum())]
    assert torch.equal(*said)
    assert not torch.equal(first.loss, second.loss), "hidden tokens are what is asked for"


def test_one_token_alone_is_asked_for_with_nothing_to_go_by():
    x = torch.randint(4, 30, (4, 1))
    view = View(x, torch.ones_like(x, dtype=torch.bool), vocabulary=30)
    assert step_of(made(CAPI, view, **SMALL), view).loss.isfinite().all()
