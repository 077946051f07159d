"""Floors are measured once: what was found of them is kept in the cache, and used again for the next encoder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tacit.data.shelf import Kept, Shelf
from tacit.evaluation.tasks import Key, Measurement


class Floors:
    """Measurements by all that they depend on: the row, the data, the labels, the split, the tasks, the seed."""

    def __init__(self, folder: Path | None = None) -> None:
        self._shelf = Shelf("floors", folder)

    def recall(self, facts: Mapping[str, Any]) -> dict[Key, Measurement] | None:
        """What was found under `facts`; None where nothing is kept."""
        kept = self._shelf.recall(facts)
        if kept is None:
            return None
        return {
            (task, metric): Measurement(metric, value, kept.tensors[str(number)].float() if judged else None, protocol)
            for number, (task, metric, value, judged, protocol) in enumerate(kept.notes)
        }

    def keep(self, facts: Mapping[str, Any], found: Mapping[Key, Measurement]) -> None:
        """Keep `found` under `facts`. A cache that cannot be written costs time later, and is no failure."""
        rows = [[task, m.metric, m.value, m.correct is not None, m.protocol] for (task, _), m in found.items()]
        tensors = {str(n): _small(m.correct) for n, m in enumerate(found.values()) if m.correct is not None}
        self._shelf.keep(facts, Kept(tensors, rows))


def _small(correct: torch.Tensor) -> torch.Tensor:
    """Right and wrong as bytes; scores between them as they are."""
    small = correct.to(torch.uint8)
    return small if torch.equal(small.to(correct.dtype), correct) else correct
