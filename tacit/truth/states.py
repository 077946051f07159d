"""What is known of the state at each moment of a set of episodes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from tacit import interrupt
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.errors import DataError, Unreadable
from tacit.modalities.episodes import states

Array = npt.NDArray[np.generic]


def states_of(dataset: Dataset) -> Mapping[str, Array]:
    """State -> its values at all moments of `dataset`, `[N]`: those that all episodes know.

    Raises `DataError` where there are none, or an episode cannot be read any more.
    """
    rows, counts = np.unique(dataset.everything().source_rows, return_counts=True)
    parts: list[Mapping[str, Array]] = []
    for row, count in zip(rows.tolist(), counts.tolist(), strict=True):
        interrupt.check()
        try:
            raw = dataset.raw(row)
            assert isinstance(raw, bytes), "episodes are files"
            parts.append(states(raw, count))
        except Unreadable as error:
            raise DataError(
                f"an episode of {printable(dataset.name)} that was read before cannot be: {error}"
            ) from None
    known = set.intersection(*map(set, parts))
    if not known:
        raise DataError(
            f"nothing is known of states in {printable(dataset.name)}: beside `observations` there is no array with as "
            "many values in every episode. `tacit collect` writes such; add yours under any name"
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in sorted(known)}
