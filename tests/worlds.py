"""Episodes for tests: a dot that walks through frames, and a ball on a line, with what is known of their state."""

import io
from pathlib import Path

import numpy as np

SIDE = 40


def walk(number=0, steps=20, side=SIDE):
    """A bright square of 6 pixels that moves by its action, one of four, around the borders: arrays by name."""
    generator = np.random.default_rng(number)
    place = generator.integers(0, side // 4, 2) * 4
    actions = generator.integers(0, 4, steps)
    observations, places = [], []
    for step in range(steps + 1):
        frame = generator.integers(0, 30, (side, side)).astype(np.uint8)
        for down in range(6):
            frame[(place[0] + down) % side, np.arange(place[1], place[1] + 6) % side] = 250
        observations.append(frame)
        places.append(place // 4)
        if step < steps:
            move = ((-4, 0), (4, 0), (0, -4), (0, 4))[actions[step]]
            place = (place + move) % side
    return {
        "observations": np.stack(observations),
        "actions": actions,
        "rewards": (actions == 1).astype(np.float32),
        "terminated": np.arange(steps) == steps - 1,
        "truncated": np.zeros(steps, bool),
        "row": np.array(places)[:, 0],
        "place": np.array(places)[:, 1:] / (side // 4),
    }


def ball(number=0, steps=20):
    """A ball that is pushed along a line by a force, observed as place, speed and noise: arrays by name."""
    generator = np.random.default_rng(number)
    place, speed = generator.normal(size=2)
    actions = generator.normal(size=(steps, 1)).astype(np.float32)
    observed = []
    for step in range(steps + 1):
        observed.append([place, speed, generator.normal()])
        if step < steps:
            speed = 0.9 * speed + actions[step, 0]
            place = place + 0.3 * speed
    return {
        "observations": np.array(observed, np.float32),
        "actions": actions,
        "rewards": np.ones(steps, np.float32),
        "energy": np.array(observed)[:, 1] ** 2,
        "right": np.array(observed)[:, 0] > 0,
    }


def folder_of(folder: Path, world=walk, count=6, **shape) -> Path:
    """An `.npz` an episode."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        np.savez_compressed(folder / f"episode-{number:03}.npz", **world(number, **shape))
    return folder


def file(arrays):
    """An episode as the bytes of a file."""
    held = io.BytesIO()
    np.savez(held, **arrays)
    return held.getvalue()
