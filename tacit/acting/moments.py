"""An environment of gymnasium whose observations are moments, as encoders read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from tacit.collecting.worlds import Array, World
from tacit.modalities.episodes import decode
from tacit.modalities.moments import MomentLayout, fitting


class Moments(gymnasium.Env):  # type: ignore[misc]
    """Shows the last K of what a world shows as one observation; before the first stands the first one.

    Raises `Unreadable` where that has another shape than the layout's.
    """

    metadata = {"render_modes": ["rgb_array"]}

    def __init__(self, world: World, layout: MomentLayout) -> None:
        self.world, self.layout = world, layout
        self.render_mode = world.env.render_mode
        self.action_space = world.env.action_space
        first, *rest = layout.observed
        shape = (layout.stack * first, *rest)
        self.observation_space = (
            Box(0, 255, shape, np.uint8) if layout.frames else Box(-np.inf, np.inf, shape, np.float32)
        )
        self._seen: list[Array] = []
        self.reset()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """A new episode: its first moment, and what else the environment says."""
        super().reset(seed=seed)
        observation, info = self.world.env.reset(seed=seed, options=options)
        self._seen = [self._fitting(observation)] * self.layout.stack
        return self._moment(), dict(info)

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """The next moment, the reward, whether the episode has ended or was cut, and what else the environment says."""
        info: Mapping[str, Any]
        observation, reward, terminated, truncated, info = self.world.step(action)
        self._seen = [*self._seen[1:], self._fitting(observation)]
        return self._moment(), reward, terminated, truncated, dict(info)

    def render(self) -> Any:
        """The frame as the environment draws it."""
        return self.world.env.render()

    def close(self) -> None:
        """Give free what the environment holds."""
        self.world.env.close()

    def _fitting(self, observation: Any) -> Array:
        seen: Array = fitting(decode(self.world.seen(observation)[None]), self.layout)[0]
        return seen

    def _moment(self) -> Array:
        return np.concatenate(self._seen)
