"""What a contest is: one task, done by tacit and by others, on the same data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Size = Mapping[str, int]
"""How large the task is, by names."""
Found = Mapping[str, np.ndarray]
"""What a side has computed, by names."""


class DisagreementError(Exception):
    """Two sides have not computed the same thing, so that their times say nothing."""


@dataclass(frozen=True, eq=False)
class Side:
    """One that does the task."""

    name: str
    package: str
    """The distribution on the package index whose version is noted."""
    prepare: Callable[[Size], Callable[[], Any]]
    """Imports what it needs and makes the data, of which nothing is measured; what it returns is, and returns `Found`,
    or what `Contest.settle` makes that of."""


@dataclass(frozen=True, eq=False)
class Contest:
    """One task and those who do it."""

    module: str
    """Where it stands as `CONTEST`."""
    name: str
    title: str
    """In words, with names of `Size` in braces."""
    ours: Side
    others: tuple[Side, ...]
    sizes: Mapping[str, Size]
    """`full` is what is published, `tiny` is for tests."""
    check: Callable[[Found, Found], str]
    """Raises `DisagreementError` where ours and another's are not the same; else says how near they are."""
    rounds: int = 1
    """How often it is measured in each process."""
    warm_up: bool = True
    """Whether it is done once before: libraries start their threads and choose their kernels. Minutes need none."""
    threads: int = 1
    """How many each side computes with where no other number is asked for."""
    settle: Callable[[Any], Found] = lambda found: found
    """Behind each round, of which nothing is measured: waits for what goes on, and says what has come of it."""


def distance(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference, as a share of the largest value; as it is where all values are zero."""
    largest = float(np.abs(theirs).max()) or 1.0
    return float(np.abs(ours.astype(np.float64) - theirs).max()) / largest


def near(name: str, ours: Found, theirs: Found, tolerance: float) -> str:
    """`name` and how far it is apart in both; raises `DisagreementError` above `tolerance`."""
    apart = distance(ours[name], theirs[name])
    if not apart <= tolerance:  # also where it is no number
        raise DisagreementError(f"{name} is {apart:.1e} of its size apart, and may be {tolerance:g}")
    return f"{name} {apart:.0e}"
