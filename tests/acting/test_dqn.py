"""Values of actions: against a naive loop, against what is known on paper, and what the controls leave alone."""

import copy

import gymnasium
import numpy as np
import pytest
import torch
from corridors import CELLS, CORRIDOR

from tacit.acting.dqn import DQN
from tacit.acting.replay import Replay
from tacit.collecting.collect import play
from tacit.collecting.policies import random_in
from tacit.collecting.worlds import open_world
from tacit.core import View
from tacit.methods import METHODS
from tacit.modalities.moments import MomentLayout
from tacit.modalities.trajectories import TRAJECTORIES
from tacit.nn.nature import Nature, Perceptron

DEVICE = torch.device("cpu")


def remembered(pixels=None, episodes=30):
    world = open_world(CORRIDOR, pixels=pixels, colour=False)
    observed = (1, pixels, pixels) if pixels else (CELLS,)
    replay = Replay(5_000, MomentLayout(observed=observed, stack=2 if pixels else 1, choices=2))
    for number in range(episodes):
        replay.add_all(play(world, random_in(world), seed=0, number=number))
    world.env.close()
    return replay


def learner(replay, method=None, pixels=None, **settings):
    torch.manual_seed(0)
    sample = replay.everything(200).now
    encoder = Nature(Nature.Config(out=16, width=4), sample) if pixels else Perceptron(Perceptron.Config(), sample)
    beside = None
    if method is not None:
        beside = METHODS[method](METHODS[method].Config(), encoder, TRAJECTORIES, sample)
    augment = TRAJECTORIES.augment(TRAJECTORIES.config())
    return DQN(DQN.Config(**{"hidden": 32, **settings}), encoder, sample, 2, augment, beside)


def test_the_loss_is_that_of_a_loop():
    replay = remembered(episodes=6)
    dqn = learner(replay, n=2, discount=0.8)
    with torch.no_grad():
        for weight in dqn.target.parameters():
            weight.add_(0.1 * torch.randn(weight.shape))
    memory = replay.draw(16, 2, 0.8, np.random.default_rng(0))
    dqn.requires_grad_(False)
    found = dqn.loss(memory, 0, 1, DEVICE)
    for row in range(16):
        one = slice(row, row + 1)
        best = int(dqn.online(memory.after[one])[0].argmax())
        wanted = memory.reward[row] + memory.discount[row] * dqn.target(memory.after[one])[0, best]
        error = (dqn.online(memory.now[one])[0, memory.action[row]] - wanted).abs()
        assert found[row].item() == pytest.approx(float(0.5 * error**2 if error < 1 else error - 0.5), abs=1e-5)


@pytest.mark.parametrize("n", [1, 3])
def test_values_of_the_corridor_are_those_on_paper(n):
    """Right in cell c pays g^(3 - c), whatever was played; left is a step lost, and one n steps long is off policy."""
    replay = remembered(episodes=60)
    dqn = learner(replay, n=n, discount=0.9, lr=5e-3, target=0.9, batch=64)
    for number in range(150):
        dqn.update(replay, number, 150, 0)
    with torch.no_grad():
        values = dqn.eval().online(View(torch.eye(CELLS)))[: CELLS - 1]
    assert values.argmax(dim=1).tolist() == [1] * (CELLS - 1)
    assert values[-1, 1].item() == pytest.approx(1, abs=0.07)
    if n == 1:
        right = torch.tensor([0.9 ** (CELLS - 2 - cell) for cell in range(CELLS - 1)])
        assert torch.allclose(values[:, 1], right, atol=0.07)
        assert torch.allclose(values[1:, 0], 0.9**2 * right[1:], atol=0.1)


def weights(module):
    return copy.deepcopy(module.state_dict())


def moved(before, after):
    return any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("detach", "method", "encoder_moves"),
    [(False, None, True), (True, None, False), (False, "st-dim", True), (True, "moco", True)],
)
def test_what_moves_the_encoder(detach, method, encoder_moves):
    replay = remembered(pixels=40, episodes=6)
    dqn = learner(replay, method, pixels=40, detach=detach, batch=8)
    encoder, head = weights(dqn.online.encoder), weights(dqn.online.head)
    records = [dqn.update(replay, number, 10, 0) for number in range(2)]
    assert moved(encoder, weights(dqn.online.encoder)) == encoder_moves
    assert moved(head, weights(dqn.online.head))
    assert ("method_loss" in records[0]) == (method is not None)


def test_rewards_do_not_reach_a_detached_encoder_that_a_method_trains():
    replay = remembered(pixels=40, episodes=6)
    dqn = learner(replay, "moco", pixels=40, detach=True, batch=8)
    dqn.loss(replay.draw(8, 1, 0.9, np.random.default_rng(0)), 0, 1, DEVICE).mean().backward()
    assert all(weight.grad is None for weight in dqn.online.encoder.parameters())
    assert all(weight.grad is not None for weight in dqn.online.head.parameters())


def test_an_update_is_a_function_of_its_number_and_the_seed():
    replay = remembered(pixels=40, episodes=6)
    first, second, other = (learner(replay, pixels=40, batch=8, view="weak") for _ in range(3))
    losses = [dqn.update(replay, 3, 10, seed)["loss"] for dqn, seed in ((first, 0), (second, 0), (other, 1))]
    assert losses[0] == losses[1] != losses[2]
    assert not moved(weights(first), weights(second))


def test_chance_falls_along_a_line():
    config = DQN.Config(begin=100, explore=0.5, chance=0.1)
    assert [round(config.chance_at(step, 1100), 3) for step in (0, 100, 350, 600, 1100)] == [1, 1, 0.55, 0.1, 0.1]


def test_the_corridor_is_a_world_of_gymnasium():
    from gymnasium.utils.env_checker import check_env

    env = gymnasium.make(CORRIDOR, render_mode="rgb_array").unwrapped
    check_env(env, skip_render_check=True)
