"""What comes of each moment of a set of episodes: rewards, and the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tacit import interrupt
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.errors import DataError, Unreadable
from tacit.modalities.episodes import Outcome, outcome


@dataclass(frozen=True, eq=False)
class Coming:
    """What comes within some steps of each of N moments."""

    events: Mapping[str, npt.NDArray[np.bool_]]
    """What comes or does not, `[N]`."""
    returns: Mapping[str, npt.NDArray[np.float64]]
    """The sum of rewards, `[N]`."""
    told: npt.NDArray[np.bool_]
    """`[N]`, False where the recording stops before that is known: who was cut off might have ended, or not."""


def coming_of(dataset: Dataset, steps: int) -> Coming:
    """What comes within `steps` steps of all moments of `dataset`, and within one: what all episodes know.

    Raises `DataError` where that is nothing, or an episode cannot be read any more.
    """
    rows, counts = np.unique(dataset.everything().source_rows, return_counts=True)
    found: list[Coming] = []
    for row, count in zip(rows.tolist(), counts.tolist(), strict=True):
        interrupt.check()
        try:
            raw = dataset.raw(row)
            assert isinstance(raw, bytes), "episodes are files"
            found.append(_coming(outcome(raw), count, steps))
        except Unreadable as error:
            raise DataError(
                f"an episode of {printable(dataset.name)} that was read before cannot be: {error}"
            ) from None
    events = set.intersection(*(set(each.events) for each in found))
    returns = set.intersection(*(set(each.returns) for each in found))
    if not events:
        raise DataError(
            f"nothing is known of rewards and ends in {printable(dataset.name)}: each episode needs an array `rewards` "
            "or `terminated`, one value a step. `tacit collect` writes both"
        )
    return Coming(
        {name: np.concatenate([each.events[name] for each in found]) for name in sorted(events)},
        {name: np.concatenate([each.returns[name] for each in found]) for name in sorted(returns)},
        np.concatenate([each.told for each in found]),
    )


def _coming(came: Outcome, count: int, steps: int) -> Coming:
    """Of the first `count` moments of one episode."""
    events: dict[str, npt.NDArray[np.bool_]] = {}
    returns: dict[str, npt.NDArray[np.float64]] = {}
    ends = bool(came.terminated is not None and came.terminated.any())
    if came.rewards is not None:
        events["a reward next"] = _within(came.rewards != 0, count, 1) > 0
        events[f"a reward within {steps} steps"] = _within(came.rewards != 0, count, steps) > 0
        returns[f"return of {steps} steps"] = _within(came.rewards, count, steps)
    if came.terminated is not None:
        events[f"the end within {steps} steps"] = _within(came.terminated, count, steps) > 0
    told = np.full(count, True) if ends else np.arange(count) + steps <= came.steps
    return Coming(events, returns, told)


def _within(values: npt.NDArray[np.generic], count: int, steps: int) -> npt.NDArray[np.float64]:
    """The sum of `values [T]` over the `steps` that follow each of `count` moments, as far as there are any."""
    total = np.concatenate([[0.0], np.cumsum(values.astype(np.float64))])
    first = np.minimum(np.arange(count), len(values))
    found: npt.NDArray[np.float64] = total[np.minimum(first + steps, len(values))] - total[first]
    return found
