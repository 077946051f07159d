"""The folder of a run: who may write it, what lies where, and what it remembers."""

from __future__ import annotations

import fcntl
import json
import logging
import math
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tacit.engine import files
from tacit.errors import RunError, TacitError, UsageError

_LOCK, _LOG = ".lock", "run.log"
log = logging.getLogger("tacit")


class _LogFile(logging.FileHandler):
    """A log that never takes the run down: on a full disk the state matters and the log does not."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say nothing."""


class RunFolder:
    """A run's folder, locked from construction until `close`, or for the length of a `with` block.

    Without `resume` it has to be new or empty; with `resume` it has to hold a run. Raises `UsageError` where that is
    not so or where it cannot be written, and `RunError` while another process uses it.
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self.path = path
        self.config, self.metrics, self.log = path / "config.yaml", path / "metrics.jsonl", path / _LOG
        self.facts = path / "run.json"
        self.checkpoints, self.encoder, self.evaluation = (
            path / "checkpoints",
            path / "encoder",
            path / "evaluation.json",
        )
        unusable = f"{path} cannot be written"
        if resume and not self.config.is_file():
            raise UsageError(f"{path} holds no run to resume: leave out --resume to start one, or name another --out")
        try:
            path.mkdir(exist_ok=True)
            self._refuse_strangers()
            self._lock = _take(path / _LOCK)
        except FileNotFoundError:
            raise UsageError(f"{path.parent} does not exist: create it, or name another --out") from None
        except (FileExistsError, NotADirectoryError):
            raise UsageError(f"{path} cannot be a folder, since a file is in its place: name another --out") from None
        except OSError as error:
            raise UsageError(f"{unusable} ({error.strerror}): name another --out") from None
        with ExitStack() as undo:
            undo.callback(self._lock.close)
            if not resume and self.config.exists():
                raise UsageError(f"{path} already holds a run: go on with it by --resume, or name another --out")
            try:
                self.checkpoints.mkdir(exist_ok=True)
                self._handler = _LogFile(self.log, encoding="utf-8")
            except OSError as error:
                raise UsageError(f"{unusable} ({error.strerror}): name another --out") from None
            undo.pop_all()
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self._level = log.level
        log.addHandler(self._handler)
        log.setLevel(logging.DEBUG)

    def _refuse_strangers(self) -> None:
        """A lock marks a folder as a run's, even of one that ended before its settings were written."""
        names = sorted(entry.name for entry in self.path.iterdir())
        if names and _LOCK not in names:
            raise UsageError(f"{self.path} is not empty (it holds {names[0]!r}) and is no run: name another --out")

    def close(self) -> None:
        """Give the folder free."""
        log.removeHandler(self._handler)
        log.setLevel(self._level)
        self._handler.close()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            level = logging.ERROR if isinstance(error, TacitError) else logging.CRITICAL
            log.log(level, "ended by %s", kind.__name__ if kind else "", exc_info=error)
        self.close()

    def write(self, path: Path, text: str) -> None:
        """Write one of the run's text files whole. Raises `RunError` on a full disk."""
        files.write(path, text.encode())

    def add_metrics(self, record: Mapping[str, Any]) -> None:
        """Add a line to metrics.jsonl. Raises `RunError` on a full disk."""
        files.append(self.metrics, f"{files.to_json(record)}\n".encode())

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl up to the first torn one; what JSON has as null was no number."""
        records = []
        for line in self.metrics.read_bytes().splitlines() if self.metrics.exists() else []:
            try:
                record = json.loads(line)
            except ValueError:
                break
            records.append({name: math.nan if value is None else value for name, value in record.items()})
        return records

    def cut_metrics(self, step: int) -> list[dict[str, Any]]:
        """Drop the lines of steps after `step`, which will be written again; returns those that stay."""
        kept = [record for record in self.read_metrics() if record["step"] <= step]
        self.write(self.metrics, "".join(f"{files.to_json(record)}\n" for record in kept))
        return kept


def _take(path: Path) -> Any:
    """The open, locked lock file; the lock goes with the process, however it ends."""
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise RunError(f"{path.parent} is in use by pid {owner}: wait for it, or name another --out") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
