"""Schedules: pure functions of progress."""

from __future__ import annotations

import math

from tacit.core import Progress


def warmup_cosine(progress: Progress, warmup: float, floor: float = 0.0) -> float:
    """Factor on the learning rate: a linear rise over the fraction `warmup`, then half a cosine down to `floor`.

    The first step already has a positive factor and the last one lies above `floor` only by its share of the cosine.
    """
    rise = warmup * progress.total
    if progress.step < rise:
        return (progress.step + 1) / (math.floor(rise) + 1)
    fraction = (progress.step - rise) / max(1.0, progress.total - rise)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, fraction)))


def cosine(progress: Progress, start: float, end: float) -> float:
    """From `start` to `end` along half a cosine (the momentum of BYOL's and DINO's teachers)."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * progress.fraction))


def young(progress: Progress, momentum: float) -> float:
    """What a teacher keeps of itself a step: `momentum`, and less while it is young, so that the random start is soon
    forgotten."""
    return min(momentum, (progress.step + 1) / (progress.step + 10))
