"""A world for tests: a corridor of five cells, whose right end pays 1; values of its actions are known on paper."""

import gymnasium
import numpy as np

CELLS, LONGEST = 5, 15
CORRIDOR = "tacit-tests/Corridor-v0"


class Corridor(gymnasium.Env):
    """Left is 0 and right is 1. An episode ends at the right end, or is cut after 15 steps."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 1}
    observation_space = gymnasium.spaces.Box(0, 1, (CELLS,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.cell, self.steps = int(self.np_random.integers(CELLS - 1)), 0
        return self.seen(), {}

    def step(self, action):
        self.cell = max(0, self.cell + (1 if action else -1))
        self.steps += 1
        there = self.cell == CELLS - 1
        return self.seen(), float(there), there, self.steps == LONGEST, {}

    def seen(self):
        return np.eye(CELLS, dtype=np.float32)[self.cell]

    def render(self):
        frame = np.zeros((40, 40, 3), np.uint8)
        frame[16:24, 8 * self.cell : 8 * self.cell + 8] = 255
        return frame


gymnasium.register(CORRIDOR, Corridor)
