"""Environments of gymnasium as tacit plays them: what is observed, what can be done, what is known of the state."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tacit.collecting.ram import GAMES
from tacit.errors import UsageError, nearest

Array = npt.NDArray[Any]
ATARI = "ALE/"
LARGEST = 1024
"""Pixels of a side at most."""


@dataclass(frozen=True, eq=False)
class World:
    """An environment, and how it is looked at."""

    env: Any
    pixels: int | None
    """Side of rendered frames; None where observations are the environment's own."""
    colour: bool
    """Whether frames are red, green and blue, not grey."""
    version: str
    """Of what provides it."""
    repeat: int = 1
    """How often an action is repeated before something is observed again."""

    def reset(self, seed: int) -> tuple[Any, Mapping[str, Any]]:
        """A new episode, a function of `seed`: what the environment observes, and what else it says."""
        self.env.action_space.seed(seed)
        observation, info = self.env.reset(seed=seed)
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Mapping[str, Any]]:
        """What gymnasium's `step` returns, after as many repetitions as the world has, or the end; rewards add up."""
        total = 0.0
        for _ in range(self.repeat):
            observation, reward, terminated, truncated, info = self.env.step(action)
            total += float(reward)
            if terminated or truncated:
                break
        return observation, total, bool(terminated), bool(truncated), info

    def seen(self, observation: Any) -> Array:
        """What is stored as the observation: a frame uint8 `[H, W(, 3)]`, or a vector float32 `[D]`."""
        if self.pixels is not None:
            picture = Image.fromarray(np.asarray(self.env.render(), np.uint8)).convert("RGB" if self.colour else "L")
            return np.asarray(picture.resize((self.pixels, self.pixels), Image.Resampling.BOX))
        return np.asarray(observation) if self._of_frames else self._vector(observation)

    def known(self, observation: Any, info: Mapping[str, Any]) -> dict[str, Any]:
        """What is stored of the state: the environment's own vector beside frames, memory of a game, numbers told."""
        found: dict[str, Any] = {}
        if self.pixels is not None and not self._of_frames:
            found["state"] = self._vector(observation)
        ale = getattr(self.env.unwrapped, "ale", None)
        if ale is not None:
            ram = np.asarray(ale.getRAM(), np.uint8)
            named = GAMES.get(self._game)
            found |= {"ram": ram} if named is None else {name: ram[byte] for name, byte in named.items()}
        for name, value in info.items():
            if isinstance(value, bool | int | float | np.bool | np.integer | np.floating):
                found[f"info_{name}"] = value
        return found

    def stored(self, action: Any) -> Array:
        """An action as it is stored: a choice from 0 on, or numbers `[A]`."""
        return np.asarray(stored(self.env.action_space, np.asarray(action)[None])[0])

    @property
    def choices(self) -> int | None:
        """How many actions there are to choose from; None where an action is something else."""
        from gymnasium.spaces import Discrete

        space = self.env.action_space
        return int(space.n) if isinstance(space, Discrete) else None

    def choice(self, number: int) -> int:
        """The environment's own action for a choice as it is stored, from 0 on."""
        return number + int(self.env.action_space.start)

    @property
    def _game(self) -> str:
        return str(self.env.spec.id).removeprefix(ATARI).partition("-")[0]

    @property
    def _of_frames(self) -> bool:
        return of_frames(self.env.observation_space)

    def _vector(self, observation: Any) -> Array:
        from gymnasium.spaces import flatten

        return np.asarray(flatten(self.env.observation_space, observation), np.float32).reshape(-1)


def stored(space: Any, actions: Array) -> Array:
    """Actions `[T, ...]` of a space as they are stored: choices from 0 on, long `[T]`, or numbers, float32 `[T, A]`."""
    from gymnasium.spaces import Discrete

    if isinstance(space, Discrete):
        return actions.reshape(-1).astype(np.int64) - int(space.start)
    return actions.reshape(len(actions), -1).astype(np.float32)


def of_frames(space: Any) -> bool:
    """Whether what is observed in a space is a frame, uint8 `[H, W]` or `[H, W, C]`."""
    return bool(space.dtype == np.uint8 and space.shape is not None and len(space.shape) in (2, 3))


def storable(space: Any) -> bool:
    """Whether actions of a space can be stored."""
    from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete

    return isinstance(space, Box | Discrete | MultiBinary | MultiDiscrete)


def open_world(name: str, *, pixels: int | None, colour: bool, repeat: int = 1) -> World:
    """The environment called `name`. Raises `UsageError` where there is none, or what it needs is not installed."""
    if repeat < 1:
        raise UsageError(f"--repeat {repeat}: give 1 or more")
    if pixels is not None and not 1 <= pixels <= LARGEST:
        raise UsageError(f"--pixels {pixels}: give a side of 1 to {LARGEST:,}")
    if colour and pixels is None:
        raise UsageError("--colour is of frames that are rendered: give --pixels, such as --pixels 84")
    try:
        import gymnasium
    except ImportError:
        raise UsageError("environments are gymnasium's, which is not installed: pip install 'tacit[rl]'") from None
    for part in ("VIDEO", "AUDIO"):  # frames are drawn in memory, on machines without a screen, too
        os.environ.setdefault(f"SDL_{part}DRIVER", "dummy")
    version = f"gymnasium {gymnasium.__version__}"
    if name.startswith(ATARI):
        version += f", ale-py {_atari(gymnasium)}"
    try:
        rendered = {"render_mode": "rgb_array"} if pixels else {}  # not every environment knows the word
        env = gymnasium.make(name, disable_env_checker=True, **rendered)
        env.reset(seed=0)
        drawn = env.render() if pixels else None
    except gymnasium.error.DependencyNotInstalled as error:
        raise UsageError(f"{name} needs more than is installed: {error}") from None
    except TypeError as error:  # it has no such argument
        raise UsageError(f"{name} cannot be rendered as frames ({error}): leave --pixels out") from None
    except gymnasium.error.Error:
        raise UsageError(f"no environment {name!r}; {_near(name, gymnasium.registry)}") from None
    if pixels and not isinstance(drawn, np.ndarray):
        raise UsageError(f"{name} cannot be rendered as frames: leave --pixels out, and its own observations are kept")
    if not storable(env.action_space):
        raise UsageError(f"actions of {name} are {env.action_space}; choices and arrays of numbers can be stored")
    return World(env, pixels, colour, version, repeat)


def _atari(gymnasium: Any) -> str:
    """Makes the games known; returns the version of what plays them."""
    try:
        import ale_py
    except ImportError:
        raise UsageError(
            "Atari's games are played by ale-py, which is not installed: pip install 'tacit[atari]'"
        ) from None
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    gymnasium.register_envs(ale_py)
    return str(ale_py.__version__)


def _near(name: str, known: Mapping[str, Any]) -> str:
    """The nearest names alone: there are hundreds."""
    said = nearest(name, known).partition("Valid")[0]
    return said + "ids are those of gymnasium, such as CartPole-v1 or ALE/Pong-v5"
