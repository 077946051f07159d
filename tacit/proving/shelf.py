"""Floors are measured once: what was found of them is kept in the cache, and used again for the next encoder."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from tacit.data.cache import cache_folder
from tacit.engine import checkpoint, files
from tacit.errors import RunError
from tacit.evaluation.tasks import Key, Measurement


class Shelf:
    """Measurements by all that they depend on: the row, the data, the split, the tasks, the seed, tacit's sources."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder if folder is not None else cache_folder() / "floors"

    def recall(self, facts: Mapping[str, Any]) -> dict[Key, Measurement] | None:
        """What was found under `facts`; None where nothing is kept or what is kept cannot be read."""
        from safetensors import SafetensorError, safe_open

        path = self._path(facts)
        try:
            with safe_open(path, framework="pt") as file:
                kept = json.loads(file.metadata()["measurements"])
                return {
                    (task, metric): Measurement(
                        metric, value, file.get_tensor(str(number)).float() if judged else None, protocol
                    )
                    for number, (task, metric, value, judged, protocol) in enumerate(kept)
                }
        except (OSError, SafetensorError, ValueError, KeyError, TypeError):
            return None

    def keep(self, facts: Mapping[str, Any], found: Mapping[Key, Measurement]) -> None:
        """Keep `found` under `facts`. A cache that cannot be written costs time later, and is no failure."""
        rows = [[task, m.metric, m.value, m.correct is not None, m.protocol] for (task, _), m in found.items()]
        tensors = {str(n): _small(m.correct) for n, m in enumerate(found.values()) if m.correct is not None}
        with contextlib.suppress(OSError, RunError):
            self._folder.mkdir(parents=True, exist_ok=True)
            state = checkpoint.serialise(checkpoint.State(tensors), {"measurements": json.dumps(rows)})
            files.write(self._path(facts), state)

    def _path(self, facts: Mapping[str, Any]) -> Path:
        known = {**facts, "sources": _sources(), "torch": torch.__version__}
        text = json.dumps(known, sort_keys=True, default=str)
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()}.safetensors"


@cache
def _sources() -> str:
    """Hash of all of tacit's sources: within one version, too, a floor measured by other code is another floor."""
    root = Path(__file__).parents[1]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(root.rglob("*.py")))).hexdigest()


def _small(correct: torch.Tensor) -> torch.Tensor:
    """Right and wrong as bytes; scores between them as they are."""
    small = correct.to(torch.uint8)
    return small if torch.equal(small.to(correct.dtype), correct) else correct
