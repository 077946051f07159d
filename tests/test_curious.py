"""Rewards for curiosity: the losses of a run, step by step, and how they wear off."""

import numpy as np
import pytest
import torch
from worlds import ball, folder_of, walk

import tacit
from tacit.core import Draws, Progress
from tacit.data.dataset import open_dataset
from tacit.errors import DataError, UsageError

QUICK = {"budget": {"steps": 3}, "batch": 16, "usual_batch": 16, "evaluations": 1}


def run_of(folder, method, world=ball, **settings):
    episodes = folder_of(folder / "set", world, count=5, steps=12)
    tacit.train(episodes, folder / "run", method=method, settings={**QUICK, **settings})
    return tacit.curiosity(folder / "run"), episodes


@pytest.mark.parametrize(("method", "world"), [("rnd", ball), ("forward-model", ball), ("forward-model", walk)])
def test_what_a_step_is_worth_is_its_loss(method, world, tmp_path):
    small = {"encoder": {"width": 8, "out": 32}} if world is walk else {}
    curious, episodes = run_of(tmp_path, method, world, **small)
    episode = world(0, steps=12)
    paid = curious(episode["observations"], episode["actions"])
    assert paid.shape == (12,)
    dataset = open_dataset(str(episodes), curious.config.kind, curious.config.modality, curious.encoder.layout)
    plain = dataset.everything().view(torch.arange(12))
    augment = curious.config.kind.augment(curious.config.modality)
    views = [augment[kind](plain, Draws.of(0, 0, plain.index, 0)) for kind in curious.learner.views]
    with torch.no_grad():
        step = curious.learner.eval()(views, Progress(3, 3))
    assert np.allclose(paid, step.surprise if method == "forward-model" else step.loss, atol=1e-5)
    assert np.allclose(curious(episode["observations"], episode["actions"]), paid), "asking changes nothing"


@pytest.mark.parametrize("method", ["rnd", "forward-model", "spr"])
def test_what_is_seen_again_is_worth_less(method, tmp_path):
    curious, _ = run_of(tmp_path, method)
    episode = ball(9, steps=30)
    first = curious.learn(episode["observations"], episode["actions"])
    assert len(first) == 30 if method != "spr" else 28
    curious.learn(episode["observations"], episode["actions"], steps=40)
    assert curious(episode["observations"], episode["actions"]).mean() < 0.7 * first.mean()
    fresh = tacit.curiosity(tmp_path / "run")
    assert np.allclose(fresh(episode["observations"], episode["actions"]), first, atol=1e-5), "the run stays"


def test_steps_unlike_those_of_the_run_are_refused_with_the_reason(tmp_path):
    curious, _ = run_of(tmp_path, "rnd")
    acted = np.zeros((2, 1))
    for observations, actions, said in (
        (np.zeros((3, 4)), acted, r"shape \[4\], where those of the set are \[3\]"),
        (np.zeros((3, 3)), np.zeros((2, 2)), "2 numbers"),
        (np.zeros((3, 3)), None, "no array actions"),
        ([[1.0, 2.0, 3.0], [1.0]], acted, "inhomogeneous"),
        (np.array([[None] * 3] * 3), acted, "[Oo]bject"),
        (np.zeros((1, 3)), acted[:1], "1 observation"),
    ):
        with pytest.raises(DataError, match=said):
            curious(observations, actions)


def test_runs_without_a_loss_of_a_step_are_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no run"):
        tacit.curiosity(tmp_path)
    with pytest.raises(UsageError, match="--method rnd or forward-model"):
        run_of(tmp_path, "moco")
