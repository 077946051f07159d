"""Methods on moments of episodes: what they learn, and what they refuse."""

import math
from dataclasses import replace

import pytest
import torch
from test_contract import moments
from worlds import ball, walk

from tacit.core import Draws, Progress
from tacit.errors import DataError, UsageError
from tacit.losses.moments import placewise
from tacit.methods.byol import BYOL
from tacit.methods.inverse_dynamics import InverseDynamics
from tacit.methods.moco import MoCo
from tacit.methods.st_dim import STDIM
from tacit.modalities.trajectories import TRAJECTORIES
from tacit.nn.nature import Nature, Perceptron
from tacit.settings import build


def sample_of(world):
    packed, layout = moments(world)
    view = TRAJECTORIES.collate(packed, layout)
    return replace(view, index=torch.arange(len(view)))


def made(kind, world=walk, sample=None, **settings):
    torch.manual_seed(0)
    sample = sample_of(world) if sample is None else sample
    encoder = (
        Nature(Nature.Config(out=32, width=8), sample) if world is walk else Perceptron(Perceptron.Config(), sample)
    )
    return kind(kind.Config(**settings), encoder, TRAJECTORIES, sample), sample


def seen(learner, sample, method):
    """Its views as the recipe for trajectories makes them."""
    settings = build([{"data": "x", "method": {"name": method}, "modality": {"name": "trajectories"}}])
    augment = TRAJECTORIES.augment(settings.modality)
    return [augment[kind](sample, Draws.of(0, 0, sample.index, number)) for number, kind in enumerate(learner.views)]


def test_st_dim_is_the_sum_of_whole_to_places_and_places_to_places():
    learner, sample = made(STDIM)
    now, later = seen(learner, sample[:6], "st-dim")
    step = learner([now, later], Progress(0, 1))
    first, second = learner.encoder(now), learner.encoder(later)
    whole = first.pooled @ learner.whole.weight.T
    places = first.tokens @ learner.place.weight.T
    expected = placewise(whole[:, None], second.tokens) + placewise(places, second.tokens)
    assert torch.allclose(step.loss, expected, atol=1e-5)
    assert math.isclose(step.nothing_learnt, 2 * math.log(6))
    with torch.no_grad():
        learner.whole.weight.zero_()
        learner.place.weight.zero_()
    assert torch.allclose(learner([now, later], Progress(0, 1)).loss, torch.full((6,), 2 * math.log(6)), atol=1e-5)


def test_st_dim_refuses_vectors_with_the_reason():
    with pytest.raises(UsageError, match="inverse-dynamics or moco"):
        made(STDIM, ball)


def fitted(learner, views, steps):
    optimiser = torch.optim.Adam(learner.parameters(), lr=3e-3)
    for number in range(steps):
        loss = learner(views, Progress(number, steps)).loss.mean()
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    return loss.item()


def test_forces_on_a_ball_are_told_from_its_speeds():
    """Of moments that it has not learnt from."""
    learner, sample = made(InverseDynamics, ball, hidden=64)
    views = seen(learner, sample, "inverse-dynamics")
    assert float(learner.nothing) == 1
    fitted(learner, [view[:48] for view in views], 150)
    learner.eval()
    answer, action = learner._answered([view[48:] for view in views])
    assert (answer - action).square().mean() < 0.3 * action.square().mean()
    shown = learner.explain([view[48:] for view in views], 4, None)
    assert sum(shown[1].right) >= 3


def test_who_tells_nothing_answers_by_how_often_each_choice_was_taken():
    learner, sample = made(InverseDynamics)
    share = sample.actions[:, 0].float().mean(dim=0)
    assert math.isclose(float(learner.nothing), float(-(share * share.log()).sum()), rel_tol=1e-5)
    assert float(learner.nothing) <= math.log(4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda actions: None, "no array `actions`"),
        (lambda actions: actions[:1].expand_as(actions), "the same was done"),
    ],
)
def test_inverse_dynamics_refuses_what_has_nothing_to_tell(change, said):
    sample = sample_of(walk)
    with pytest.raises(DataError, match=said):
        made(InverseDynamics, sample=replace(sample, actions=change(sample.actions)))


@pytest.mark.parametrize("kind", [MoCo, BYOL])
def test_the_positive_may_be_what_comes_next(kind):
    learner, _ = made(kind, positive="next")
    assert learner.views == ("strong", "next")
    assert kind.needs(learner.config) == {"strong", "next"}
    assert kind.needs(kind.Config()) == {"strong"}


@pytest.mark.parametrize("method", ["st-dim", "inverse-dynamics"])
def test_other_data_have_no_moments(method):
    with pytest.raises(UsageError, match="needs moments, next, which image data do not have"):
        build([{"data": "x", "method": {"name": method}, "modality": {"name": "image"}}])


def test_what_comes_next_is_shown_as_it_is_where_nothing_else_is_asked_for():
    learner, sample = made(STDIM)
    now, later = seen(learner, sample[:16], "st-dim")
    assert torch.equal(now.x, sample.x[:16])
    assert torch.equal(later.x[:15], sample.x[1:16])
