"""Tags of words, collected record by record while a source is listed."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np

from tacit.data.annotation import Annotations, Tags
from tacit.data.table import Codes
from tacit.evaluation.spans import numbered, parsed


class TagsBuilder:
    """The tags of each record, in a few bytes a word."""

    def __init__(self) -> None:
        self._codes = Codes()
        self._flat, self._ends = array("l"), array("q")

    def add(self, tags: Sequence[str]) -> None:
        """One more record; no tags: nothing is known of it."""
        self._flat.extend(self._codes.of(tag or "O") for tag in tags)
        self._ends.append(len(self._flat))

    def finish(self) -> Annotations | None:
        """The tags of all records; None where there are none. Classes are in the order of their names."""
        if not self._flat:
            return None
        known = list(self._codes.known)
        classes = tuple(sorted({kind for mark, kind in map(parsed, known) if mark != "O"}))
        place = {name: number for number, name in enumerate(classes)}
        flat, ends = np.array(self._flat), np.array(self._ends)
        starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])

        def read(row: int) -> Tags:
            return numbered([known[code] for code in flat[starts[row] : ends[row]]], place)

        return Annotations("tags", classes, read, present=ends > starts)
