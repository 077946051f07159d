"""What an agent remembers: its last steps, every observation once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tacit.collecting.collect import Turn
from tacit.core import View
from tacit.modalities.episodes import ACTIONS, ENDS, OBSERVATIONS, REWARDS, Array, decode
from tacit.modalities.moments import MomentLayout, fitting, viewed

Places = npt.NDArray[np.int64]
_NEVER = np.iinfo(np.int64).max
"""Last number of an episode that goes on."""


@dataclass(frozen=True, eq=False)
class Memory:
    """B moments, what was done then, and what came of it."""

    now: View
    """Their plain view, with what comes next and what was done until then."""
    after: View
    """The moments n steps later, or the last ones of their episodes."""
    action: Tensor
    """Long `[B]`, the choice that was taken."""
    reward: Tensor
    """Float32 `[B]`, the discounted rewards of the steps between."""
    discount: Tensor
    """Float32 `[B]`, the factor on what comes after: 0 where the episode had ended."""
    whole: Tensor
    """Boolean `[B]`, whether all that `now` shows as coming next is of the same episode."""


class Replay:
    """The last `capacity` observations in a ring, numbered from the first one ever on.

    An episode of T steps takes T + 1 places; its last observation is only ever what comes next.
    """

    def __init__(self, capacity: int, layout: MomentLayout) -> None:
        kind = np.uint8 if layout.frames else np.float32
        self.layout, self.capacity, self.count = layout, capacity, 0
        self._observed = np.zeros((capacity, *layout.observed), kind)
        self._action = np.zeros(capacity, np.int64)
        self._reward = np.zeros(capacity, np.float32)
        self._ended = np.zeros(capacity, bool)
        self._first, self._last = np.zeros(capacity, np.int64), np.zeros(capacity, np.int64)
        self._begin = 0
        self._open = False

    def add(self, turn: Turn) -> None:
        """Remember one step more. Raises `Unreadable` where what is seen is not as the layout says."""
        if not self._open:
            self._begin, self._open = self.count, True
            self._put(turn.before)
        here = (self.count - 1) % self.capacity
        self._action[here], self._reward[here], self._ended[here] = int(turn.action), turn.reward, turn.terminated
        self._put(turn.after)
        self._open = not (turn.terminated or turn.truncated)
        if not self._open:
            self._last[np.arange(max(self._begin, self._oldest), self.count) % self.capacity] = self.count - 1

    def add_all(self, episode: Mapping[str, Array]) -> None:
        """Remember a whole episode, its arrays by name."""
        observed = episode[OBSERVATIONS]
        terminated, truncated = (episode[name] for name in ENDS)
        for step, (action, reward) in enumerate(zip(episode[ACTIONS], episode[REWARDS], strict=True)):
            ends = bool(terminated[step]), bool(truncated[step])
            self.add(Turn(observed[step], action, float(reward), *ends, observed[step + 1]))

    def __len__(self) -> int:
        """How many moments can be drawn."""
        return len(self._moments())

    @property
    def _oldest(self) -> int:
        return max(0, self.count - self.capacity)

    def _put(self, seen: Array) -> None:
        here = self.count % self.capacity
        self._observed[here] = fitting(decode(seen[None]), self.layout)[0]
        self._first[here], self._last[here] = self._begin, _NEVER
        self.count += 1

    def _moments(self) -> Places:
        """The numbers of all moments that have a later one."""
        numbers = np.arange(self._oldest, self.count)
        return numbers[self._last_of(numbers) > numbers]

    def _last_of(self, numbers: Places) -> Places:
        """The last observation that there is of the episodes of `numbers`."""
        return np.minimum(self._last[numbers % self.capacity], self.count - 1)

    def everything(self, count: int) -> Memory:
        """At most `count` moments, spread evenly."""
        moments = self._moments()
        return self.at(moments[np.linspace(0, len(moments) - 1, min(count, len(moments))).astype(np.int64)], 1, 1.0)

    def draw(self, count: int, steps: int, gamma: float, generator: np.random.Generator) -> Memory:
        """`count` moments at random; rewards of at most `steps` steps, each discounted by `gamma`."""
        drawn = np.empty(0, np.int64)
        while len(drawn) < count:  # few places are last ones, so that looking for the others would cost more
            some = generator.integers(self._oldest, self.count, 2 * count)
            drawn = np.concatenate([drawn, some[self._last_of(some) > some]])
        return self.at(drawn[:count], steps, gamma)

    def at(self, numbers: Places, steps: int, gamma: float) -> Memory:
        """The moments `numbers`, `[B]`."""
        layout, last = self.layout, self._last_of(numbers)
        first = np.maximum(self._first[numbers % self.capacity], self._oldest)
        ahead = numbers[:, None] + np.arange(steps)
        happened = ahead < last[:, None]
        factor = np.where(happened, gamma ** np.arange(steps), 0.0)
        reward = (self._reward[ahead % self.capacity] * factor).sum(axis=1)
        until = np.minimum(numbers + steps, last)
        ended = self._ended[(until - 1) % self.capacity]
        discount = np.where(ended, 0.0, gamma ** (until - numbers))
        window = np.arange(1 - layout.stack, layout.ahead + 1)
        done = np.minimum(numbers[:, None] + window[layout.stack - 1 : -1], last[:, None] - 1)
        actions = torch.from_numpy(self._action[done % self.capacity])
        hot = torch.nn.functional.one_hot(actions, layout.choices).bool()
        index = torch.from_numpy(numbers)
        views = []
        for at in (numbers, until):
            held = self._observed[np.clip(at[:, None] + window, first[:, None], last[:, None]) % self.capacity]
            views.append(viewed(torch.from_numpy(held), hot, layout))
        return Memory(
            _numbered(views[0], index),
            _numbered(views[1], index),
            torch.from_numpy(self._action[numbers % self.capacity]),
            torch.from_numpy(reward.astype(np.float32)),
            torch.from_numpy(discount.astype(np.float32)),
            torch.from_numpy(numbers + layout.ahead <= last),
        )


def _numbered(view: View, index: Tensor) -> View:
    return replace(view, index=index)
