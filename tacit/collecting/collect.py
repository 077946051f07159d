"""Episodes played and written, one file each: what `tacit collect` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tacit import console, interrupt
from tacit.collecting.folders import begun, write
from tacit.collecting.policies import RANDOM, Act, agent_of, policy_of
from tacit.collecting.worlds import Array, World, open_world
from tacit.modalities.episodes import ACTIONS, ENDS, OBSERVATIONS, REWARDS

LONGEST = 27_000
"""Steps after which an episode that has not ended is cut: half an hour of an Atari game."""


@dataclass(frozen=True, eq=False)
class Turn:
    """One step, as it is stored."""

    before: Array
    action: Array
    reward: float
    terminated: bool
    truncated: bool
    after: Array


@dataclass(frozen=True)
class Wish:
    """What is to be collected. An episode is a function of this and its number, and not of `steps`."""

    env: str
    policy: str = RANDOM
    steps: int = 10_000
    seed: int = 0
    pixels: int | None = None
    colour: bool = False
    repeat: int | None = None
    """How often an action is repeated; None: once, or as the agent does that plays."""


def collect(wish: Wish, out: Path, *, resume: bool = False) -> tuple[int, int]:
    """Play whole episodes until there are `wish.steps` steps of them in the folder `out`; returns both numbers.

    Each is written at its end, whole or not at all; `resume` goes on behind those that are there, to the same files as
    if it had never stopped. Raises `UsageError`, `RunError`, and `Interrupted` on SIGINT and SIGTERM.
    """
    with interrupt.listening():
        agent = agent_of(wish.policy)
        if agent is not None:  # it plays what it sees
            told = {"pixels": wish.pixels, "colour": wish.colour or None, "repeat": wish.repeat}
            wish = replace(wish, **agent.sight(told))
        wish = replace(wish, repeat=1 if wish.repeat is None else wish.repeat)
        assert wish.repeat is not None
        world = open_world(wish.env, pixels=wish.pixels, colour=wish.colour, repeat=wish.repeat)
        try:
            act = policy_of(wish.policy, world, agent)
            about = {name: value for name, value in asdict(wish).items() if name != "steps"}
            number, done = begun(out, {**about, "version": world.version}, resume=resume)
            with console.progress(f"playing {wish.env}", wish.steps) as tick:
                while done < wish.steps:
                    episode = play(world, act, seed=wish.seed, number=number)
                    write(out, number, episode)
                    number, done = number + 1, done + len(episode[REWARDS])
                    tick(min(done, wish.steps), f"{number:,} episodes")
        finally:
            world.env.close()
    return number, done


def play(
    world: World, act: Act, *, seed: int, number: int, after: Callable[[Turn], None] = lambda turn: None
) -> dict[str, Array]:
    """Episode `number`, as arrays by name: T + 1 observations and states, T of all else; `after` is told each step."""
    start, own = np.random.SeedSequence([seed, number]).spawn(2)
    generator = np.random.default_rng(own)
    observation, info = world.reset(int(start.generate_state(1)[0]))
    observed, known = [world.seen(observation)], [world.known(observation, info)]
    done: list[tuple[Array, float, bool, bool]] = []
    while not done or not (done[-1][2] or done[-1][3]):
        interrupt.check()
        action = act(observation, observed, generator)
        observation, reward, terminated, truncated, info = world.step(action)
        cut = truncated or len(done) + 1 == LONGEST
        done.append((world.stored(action), reward, terminated, cut))
        observed.append(world.seen(observation))
        known.append(world.known(observation, info))
        after(Turn(observed[-2], *done[-1], observed[-1]))
    actions, rewards, *ends = zip(*done, strict=True)
    arrays = {OBSERVATIONS: np.stack(observed), ACTIONS: np.stack(actions), REWARDS: np.array(rewards, np.float32)}
    arrays |= {name: np.array(end, bool) for name, end in zip(ENDS, ends, strict=True)}
    return {**dict(_states(known)), **arrays}


def _states(known: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Array]]:
    """Each state over time; one that is not told at some moment is NaN there."""
    for name in dict.fromkeys(name for each in known for name in each):
        told = [each.get(name) for each in known]
        yield name, np.array([np.nan if value is None else value for value in told])
