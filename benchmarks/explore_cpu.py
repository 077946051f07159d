"""Exploration of rooms without any reward: how much of them an agent finds that is paid for what is new to it.

    python benchmarks/explore_cpu.py                    8 seeds of each agent, some minutes of one core
    python benchmarks/explore_cpu.py --write            the table of what was measured into docs/trajectories.md

The world has 4 x 4 rooms of 7 x 7 cells, neighbours being joined by one door each, at another place for every seed.
An agent begins in a corner, has 200 steps until it stands there again, and observes its place, as waves of 8 lengths.
All agents are one tabular learner (epsilon-greedy; values are iterated on the steps it knows) and differ in what it is
paid: nothing (uniformly random), the error of `tacit.curiosity` on runs of rnd and forward-model, or, as what anybody
would do who can count cells, one over the root of the visits. All begin with the same five random episodes, of which
the runs learn for a moment; from then on every episode is learnt from once it is over. Protocol: share of cells ever
visited, over seeds the interquartile mean with 95 % bootstrap intervals (Agarwal et al. 2021, arXiv 2108.13264). A
seed that is there already is not repeated.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from scipy import stats
from tables import ROOT, markdown, put

import tacit
from tacit.collecting.collect import Wish, collect

ROOMS, SIZE, LENGTH, RANDOM = 4, 7, 200, 5
STEPS = (2_000, 5_000, 10_000)
GREEDY, DISCOUNT, SWEEPS = 0.8, 0.95, 100
REPEATS, AGAIN = 8, 8
"""Optimiser steps on an episode, and episodes of before that are learnt from again."""
METHODS = {"rnd": 1e-3, "forward-model": 3e-3}
"""Method -> learning rate."""
SIDE = ROOMS * (SIZE + 1) + 1
"""Cells of a side, walls included."""
WAVES = 8
Pay = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Cells `[T + 1]`, observations `[T + 1, 32]` and actions `[T]` of an episode -> what each step is paid, `[T]`."""


class Rooms(gymnasium.Env):
    """Rooms of cells, joined by doors, in which nothing is to be had."""

    def __init__(self, seed: int = 0) -> None:
        generator = np.random.default_rng(seed)
        step = SIZE + 1
        self.open = np.ones((SIDE, SIDE), bool)
        self.open[::step] = self.open[:, ::step] = False
        for wall in range(step, SIDE - 1, step):
            for room in range(0, SIDE - 1, step):
                self.open[wall, room + 1 + generator.integers(SIZE)] = True
                self.open[room + 1 + generator.integers(SIZE), wall] = True
        self.observation_space = Box(-1, 1, (4 * WAVES,), np.float32)
        self.action_space = Discrete(4)
        self.place = (1, 1)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.place = (1, 1)
        return self.seen(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        down, right = ((-1, 0), (1, 0), (0, -1), (0, 1))[action]
        there = self.place[0] + down, self.place[1] + right
        if self.open[there]:
            self.place = there
        return self.seen(), 0.0, False, False, {}

    def seen(self) -> np.ndarray:
        """Sines and cosines of the row and the column, float32 `[32]`."""
        turns = 2 * np.pi * np.outer(self.place, np.arange(1, WAVES + 1)) / SIDE
        return np.concatenate([np.sin(turns).ravel(), np.cos(turns).ravel()]).astype(np.float32)

    @property
    def cell(self) -> int:
        """The number of the place."""
        return self.place[0] * SIDE + self.place[1]


class Learner:
    """Values of what was done in each cell, from what it was paid there last."""

    def __init__(self, cells: int, seed: int) -> None:
        self.generator = np.random.default_rng(seed)
        self.to = np.full((cells, 4), -1)
        self.paid, self.value = np.zeros((cells, 4)), np.zeros((cells, 4))

    def act(self, cell: int) -> int:
        values = self.value[cell]
        if not values.any() or self.generator.random() > GREEDY:
            return int(self.generator.integers(4))
        return int(self.generator.choice(np.flatnonzero(values == values.max())))

    def learn(self, cells: np.ndarray, actions: np.ndarray, paid: np.ndarray) -> None:
        self.to[cells[:-1], actions] = cells[1:]
        self.paid[cells[:-1], actions] = paid
        known = self.to >= 0
        for _ in range(SWEEPS):
            self.value = np.where(known, self.paid + DISCOUNT * self.value.max(axis=1)[self.to], 0)


def nothing(cells: np.ndarray, observed: np.ndarray, actions: np.ndarray) -> np.ndarray:
    return np.zeros(len(actions))


def counts(size: int) -> Pay:
    """One over the root of how often the cell was visited (Strehl and Littman 2008)."""
    visits = np.zeros(size)

    def paid(cells: np.ndarray, observed: np.ndarray, actions: np.ndarray) -> np.ndarray:
        np.add.at(visits, cells, 1)
        return visits[cells[1:]] ** -0.5

    return paid


def curious(method: str, episodes: Path, seed: int, folder: Path) -> Pay:
    """What a run of `method` that began with these episodes finds new, and gets used to."""
    settings = {
        "budget": {"steps": 10},
        "evaluations": 0,
        "seed": seed,
        "optimiser": {"lr": METHODS[method]},
    }
    tacit.train(episodes, folder / method, method=method, settings=settings)
    curiosity = tacit.curiosity(folder / method)
    generator, past = np.random.default_rng(seed), []

    def paid(cells: np.ndarray, observed: np.ndarray, actions: np.ndarray) -> np.ndarray:
        found = curiosity.learn(observed, actions, steps=REPEATS)
        for number in generator.integers(len(past), size=AGAIN) if past else ():
            curiosity.learn(*past[number])
        past.append((observed, actions))
        return found

    return paid


def episode(world: Rooms, act: Callable[[int], int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells, observations and actions of 200 steps."""
    observed, cells, actions = [world.reset()[0]], [world.cell], []
    for _ in range(LENGTH):
        actions.append(act(cells[-1]))
        observed.append(world.step(actions[-1])[0])
        cells.append(world.cell)
    return np.array(cells), np.array(observed), np.array(actions)


def explored(world: Rooms, pay: Pay, begin: Sequence[Path], seed: int) -> list[float]:
    """The share of cells visited after each of `STEPS`."""
    learner = Learner(SIDE * SIDE, seed)
    visited = np.zeros(SIDE * SIDE, bool)
    found = []
    for number in range(STEPS[-1] // LENGTH):
        if number < RANDOM:
            with np.load(begin[number]) as held:
                actions = iter(held["actions"].tolist())
            cells, observed, actions = episode(world, lambda _, given=actions: next(given))
        else:
            cells, observed, actions = episode(world, learner.act)
        visited[cells] = True
        learner.learn(cells, actions, pay(cells, observed, actions))
        if (number + 1) * LENGTH in STEPS:
            found.append(float(visited.sum() / world.open.sum()))
    return found


def measured(seed: int) -> dict[str, list[float]]:
    """Agent -> the shares of one seed."""
    world = Rooms(seed)
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        gymnasium.register(f"Rooms{seed}-v0", Rooms, max_episode_steps=LENGTH, kwargs={"seed": seed})
        wish = Wish(f"Rooms{seed}-v0", policy="random", steps=RANDOM * LENGTH, seed=seed, pixels=None, colour=False)
        collect(wish, folder / "episodes", resume=False)
        begin = sorted((folder / "episodes").glob("*.npz"))
        pays = {"uniformly random": nothing, "counts": counts(SIDE * SIDE)}
        pays |= {method: curious(method, folder / "episodes", seed, folder) for method in METHODS}
        return {name: explored(world, pay, begin, seed) for name, pay in pays.items()}


def middle(values: np.ndarray) -> str:
    """The interquartile mean over seeds with its interval."""

    def iqm(x: np.ndarray, axis: int) -> np.ndarray:
        return stats.trim_mean(x, 0.25, axis=axis)

    low, high = stats.bootstrap((values,), iqm, method="percentile", rng=0).confidence_interval
    return f"{iqm(values, 0):.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seeds", type=int, default=8)
    arguments.add_argument("--first", type=int, default=0, help="the first seed")
    arguments.add_argument("--runs", type=Path, default=Path("runs/explore_cpu"))
    arguments.add_argument("--write", action="store_true")
    given = arguments.parse_args()
    given.runs.mkdir(parents=True, exist_ok=True)
    every = []
    for seed in range(given.first, given.first + given.seeds):
        path = given.runs / f"seed-{seed}.json"
        if not path.is_file():
            path.write_text(json.dumps(measured(seed)))
        every.append(json.loads(path.read_text()))
        print(seed, {name: [round(share, 3) for share in shares] for name, shares in every[-1].items()}, flush=True)
    rows = [
        [name, *(middle(np.array([each[name][place] for each in every])) for place in range(len(STEPS)))]
        for name in every[0]
    ]
    text = markdown(["cells visited after", *(f"{steps:,} steps" for steps in STEPS)], rows)
    print(text)
    if given.write:
        put("explore_cpu", text, ROOT / "docs" / "trajectories.md")


if __name__ == "__main__":
    main()
