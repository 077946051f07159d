"""Checkpoints that are written behind the steps: the loop waits for a copy in memory, not for the disk."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import Optimizer

from tacit.engine import checkpoint
from tacit.engine.checkpoint import State


class Writer:
    """Writes a run's checkpoints by a thread, one at a time."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing: tuple[int, Future[None]] | None = None
        self._copy: State | None = None
        self.saved = -1
        """The step of the newest checkpoint that stands, -1 where there is none."""

    @property
    def newest(self) -> int:
        """The step of the newest one, which may still be written."""
        return self._writing[0] if self._writing else self.saved

    def save(self, folder: Path, learner: nn.Module, optimiser: Optimizer | None, manifest: Mapping[str, Any]) -> None:
        """Copy the state as it is now, and have the checkpoint of `manifest["step"]` written to `folder`.

        Waits for the one before. Raises `files.WriteError` where that could not be written.
        """
        self.settle()
        self._copy = checkpoint.copied(checkpoint.pack(learner, optimiser), self._copy)
        self._writing = manifest["step"], self._thread.submit(checkpoint.save, folder, self._copy, manifest)

    def settle(self) -> None:
        """Wait until the newest checkpoint stands. Raises `files.WriteError` where it could not be written."""
        if self._writing is not None:
            (step, writing), self._writing = self._writing, None
            writing.result()
            self.saved = step
