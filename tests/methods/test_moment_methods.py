"""Methods on moments of episodes: what they learn, and what they refuse."""

import math
from dataclasses import replace

import pytest
import torch
from contract_toys import moments
from worlds import ball, walk

from tacit.core import Draws, Progress
from tacit.errors import DataError, UsageError
from tacit.losses.moments import placewise
from tacit.methods.byol import BYOL
from tacit.methods.forward_model import ForwardModel
from tacit.methods.inverse_dynamics import InverseDynamics
from tacit.methods.moco import MoCo
from tacit.methods.rnd import RND
from tacit.methods.spr import SPR
from tacit.methods.st_dim import STDIM
from tacit.modalities.trajectories import TRAJECTORIES
from tacit.nn.nature import Nature, Perceptron
from tacit.settings import build


def sample_of(world, **settings):
    packed, layout = moments(world, **settings)
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
    assert float(learner.actions.nothing) == 1
    fitted(learner, [view[:48] for view in views], 150)
    learner.eval()
    answer, action = learner._answered([view[48:] for view in views])
    assert (answer - action).square().mean() < 0.3 * action.square().mean()
    shown = learner.explain([view[48:] for view in views], 4, None)
    assert sum(shown[1].right) >= 3


def test_who_tells_nothing_answers_by_how_often_each_choice_was_taken():
    learner, sample = made(InverseDynamics)
    share = sample.actions[:, 0].float().mean(dim=0)
    assert math.isclose(float(learner.actions.nothing), float(-(share * share.log()).sum()), rel_tol=1e-5)
    assert float(learner.actions.nothing) <= math.log(4)


def naive(learner, now, later):
    """Eq. 2 to 7 of Pathak et al. 2017, sample by sample: the inverse model's loss and the forward model's."""
    found = []
    for row in range(len(now)):
        first, second = (learner.encoder(view[row : row + 1]).pooled[0] for view in (now, later))
        first, second = ((f - f.mean()) / (f.var(correction=0) + 1e-5).sqrt() for f in (first, second))
        done = now.actions[row, 0]
        odds = learner.inverse(torch.cat([first, second])[None])[0]
        if done.dtype == torch.bool:
            inverse = -odds.log_softmax(0)[int(done.int().argmax())]
            acted = done.float()
        else:
            acted = (done - learner.actions.mean) / learner.actions.std
            inverse = ((odds - acted) ** 2).mean()
        guess = learner.ahead(torch.cat([first, acted])[None])[0]
        found.append((inverse, ((guess - second) ** 2).mean()))
    return (torch.stack(each) for each in zip(*found, strict=True))


@pytest.mark.parametrize("world", [walk, ball])
def test_a_forward_model_is_the_papers_sum_and_pays_for_its_error_alone(world):
    learner, sample = made(ForwardModel, world, weight=0.3)
    views = seen(learner, sample[:6], "forward-model")
    step = learner(views, Progress(0, 1))
    inverse, error = naive(learner, *views)
    assert torch.allclose(step.loss, 0.7 * inverse + 0.3 * error, atol=1e-5)
    assert torch.allclose(step.surprise, error, atol=1e-5)
    assert not step.surprise.requires_grad
    with torch.no_grad():
        for model in (learner.inverse, learner.ahead):
            model[-1].weight.zero_()
            model[-1].bias.zero_()
    assert torch.allclose(learner(views, Progress(0, 1)).surprise, torch.ones(6), atol=0.01), "the mean is 1 away"


def test_what_an_action_does_is_predicted_better_than_by_nothing():
    """Of moments that it has not learnt from; without the action the ball could go anywhere."""
    learner, sample = made(ForwardModel, ball, hidden=64)
    views = seen(learner, sample, "forward-model")
    fitted(learner, [view[:48] for view in views], 150)
    held = [view[48:] for view in views]
    known = learner(held, Progress(0, 1)).surprise.mean()
    mixed = replace(held[0], actions=held[0].actions.roll(1, 0))
    assert known < 0.5 * learner([mixed, held[1]], Progress(0, 1)).surprise.mean()


def test_spr_is_the_sum_of_cosines_of_its_predictions_with_a_slow_copy_of_itself():
    learner, sample = made(SPR, sample=sample_of(walk, ahead=3), hidden=16, out=8)
    learner.eval()
    views = seen(learner, sample[:6], "spr")
    step = learner(views, Progress(0, 1))
    frames = torch.cat([views[1].x, views[1].later.flatten(1, 2)], dim=1)
    told = torch.stack([learner.teacher.model(views[1].with_x(frames[:, k + 1 : k + 5])) for k in range(3)])
    common = told.reshape(18, 8)  # of all moments that are told of
    told = (told - common.mean(0)) / (common.var(0, correction=0) + 1e-6).sqrt()
    for row in range(6):
        z = learner.encoder(views[0][row : row + 1]).pooled[0]
        expected = 0.0
        for k in range(3):
            z = z + learner.transition(torch.cat([z, views[0].actions[row, k].float()])[None])[0]
            guess, truth = learner.predictor(learner.student.head(z[None]))[0], told[k, row]
            expected += 1 - guess @ truth / (guess.norm() * truth.norm())
        assert torch.isclose(step.loss[row], expected, atol=1e-4)
    assert step.nothing_learnt == 3.0
    assert list(step.metrics) == ["ahead_1", "ahead_2", "ahead_3"]


def test_the_teacher_of_spr_follows_slowly():
    learner, _ = made(SPR, ball, hidden=16, out=8, momentum=0.9)
    with torch.no_grad():
        learner.student.head[0].weight.fill_(1.0)
    before = learner.teacher.model.head[0].weight.clone()
    learner.update({}, Progress(500, 1000))
    assert torch.allclose(learner.teacher.model.head[0].weight, 0.9 * before + 0.1, atol=1e-6)


@pytest.mark.parametrize("world", [walk, ball])
def test_rnd_is_the_squared_error_in_features_of_a_frozen_network(world):
    learner, sample = made(RND, world, hidden=16)
    (later,) = seen(learner, sample[:6], "rnd")
    step = learner([later], Progress(0, 1))
    wanted = learner.target(sample).pooled
    spread = ((wanted - wanted.mean(0)) ** 2).mean().sqrt()
    for row in range(6):
        one = later[row : row + 1]
        error = learner.student(one)[0] - (learner.target(one).pooled[0] - wanted.mean(0)) / spread
        assert torch.isclose(step.loss[row], (error**2).mean(), atol=1e-4)
    assert torch.isclose((((wanted - wanted.mean(0)) / spread) ** 2).mean(), torch.tensor(step.nothing_learnt))
    assert not any(weight.requires_grad for weight in learner.target.parameters())
    own, other = (next(network.parameters()) for network in (learner.encoder, learner.target))
    assert not torch.equal(own, other), "a copy of its own weights would be known from the start"


def test_what_was_never_seen_is_newer_to_rnd_than_what_was():
    learner, sample = made(RND, ball)
    (later,) = seen(learner, sample, "rnd")
    fitted(learner, [later[:48]], 150)
    far = later[48:].with_x(later.x[48:] * 5)
    known, held, new = (learner([view], Progress(0, 1)).loss.mean() for view in (later[:48], later[48:], far))
    assert known < held < new
    first, last = learner.explain([later], 4, None)
    assert float(first.captions[0].split()[1]) > float(last.captions[0].split()[1])


@pytest.mark.parametrize("kind", [ForwardModel, RND])
def test_what_a_step_is_worth_does_not_depend_on_those_beside_it(kind):
    learner, sample = made(kind, ball)
    views = seen(learner, sample[:6], "rnd" if kind is RND else "forward-model")
    step = learner(views, Progress(0, 1))
    paid = step.loss if step.surprise is None else step.surprise
    alone = learner([view[2:3] for view in views], Progress(0, 1))
    assert torch.isclose(paid[2], (alone.loss if alone.surprise is None else alone.surprise)[0], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda actions: None, "no array `actions`"),
        (lambda actions: actions[:1].expand_as(actions), "the same was done"),
    ],
)
@pytest.mark.parametrize("kind", [InverseDynamics, ForwardModel, SPR])
def test_what_learns_from_actions_refuses_what_has_nothing_to_tell(kind, change, said):
    sample = sample_of(walk)
    with pytest.raises(DataError, match=said):
        made(kind, sample=replace(sample, actions=change(sample.actions)))


@pytest.mark.parametrize("kind", [MoCo, BYOL])
def test_the_positive_may_be_what_comes_next(kind):
    learner, _ = made(kind, positive="next")
    assert learner.views == ("strong", "next")
    assert kind.needs(learner.config) == {"strong", "next"}
    assert kind.needs(kind.Config()) == {"strong"}


@pytest.mark.parametrize("method", ["st-dim", "inverse-dynamics", "forward-model", "rnd"])
def test_other_data_have_no_moments(method):
    with pytest.raises(UsageError, match="needs moments, next, which image data do not have"):
        build([{"data": "x", "method": {"name": method}, "modality": {"name": "image"}}])


def test_what_comes_next_is_shown_as_it_is_where_nothing_else_is_asked_for():
    learner, sample = made(STDIM)
    now, later = seen(learner, sample[:16], "st-dim")
    assert torch.equal(now.x, sample.x[:16])
    assert torch.equal(later.x[:15], sample.x[1:16])
