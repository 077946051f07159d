"""Who plays: chance, a program of the user's, or an agent that was trained."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tacit.agent import TrainedAgent, is_agent, load_agent
from tacit.collecting.worlds import Array, World
from tacit.errors import UsageError, nearest

RANDOM = "random"
Act = Callable[[Any, Sequence[Array], np.random.Generator], Any]
"""(what the environment observes, what was stored of it since the episode began, random numbers) -> what is done."""


def agent_of(policy: str) -> TrainedAgent | None:
    """The agent in the folder that `policy` names, or None where it is no folder of one. Raises `RunError`."""
    return load_agent(policy) if is_agent(Path(policy)) else None


def policy_of(policy: str, world: World, agent: TrainedAgent | None) -> Act:
    """How `policy` acts in `world`; `agent`: the one that it names. Raises `UsageError`."""
    if policy == RANDOM:
        return random_in(world)
    if agent is not None:
        agent.must_know(world.seen(world.reset(0)[0]), world.choices)
        return greedy(agent, world)
    path = Path(policy)
    if not path.is_file() or path.suffix != ".py":
        guess = nearest(policy, [RANDOM]).partition("Valid")[0]
        raise UsageError(
            f"--policy {policy}: {guess}give {RANDOM}, the run of an agent (`tacit play`), or a Python file that "
            "defines act(observation, generator), which returns an action"
        )
    try:
        act = runpy.run_path(str(path)).get("act")
    except Exception as error:  # it is the user's own program
        raise UsageError(f"--policy {policy} cannot be run: {type(error).__name__}: {error}") from None
    if not callable(act):
        raise UsageError(f"--policy {policy} defines no function act(observation, generator)")
    return _checked(act, world, policy)


def random_in(world: World) -> Act:
    """Actions of chance; the world has seeded their space by the episode."""
    return lambda observation, observed, generator: world.env.action_space.sample()


def greedy(agent: TrainedAgent, world: World) -> Act:
    """What the agent holds for best."""
    return lambda observation, observed, generator: world.choice(agent.best(observed))


def _checked(act: Callable[[Any, np.random.Generator], Any], world: World, policy: str) -> Act:
    def checked(observation: Any, observed: Sequence[Array], generator: np.random.Generator) -> Any:
        try:
            action = act(observation, generator)
        except Exception as error:
            raise UsageError(f"act of {policy} fails: {type(error).__name__}: {error}") from None
        space = world.env.action_space
        fitting = action if space.contains(action) else np.asarray(action, space.dtype)
        if not space.contains(fitting):
            raise UsageError(f"act of {policy} returns {action!r}, and an action here is one of {space}")
        return fitting

    return checked
