"""The processes that share each batch of a run: who they are, how they are started, and how they end together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tacit import console, interrupt, ranks
from tacit.errors import Interrupted, RunError

GRACE_SECONDS = 20.0
"""How long a process has to end by itself: the first one after another has died, another after it was asked to."""
_LOOK_SECONDS = 0.5
_LAST_WORDS = 2_000


@dataclass(frozen=True)
class Crew:
    """Which of the processes of a run this is."""

    rank: int = 0
    """From 0 on; the first one alone writes and speaks."""
    size: int = 1
    port: int = 0
    """Where the first one listens on this machine."""


ALONE = Crew()


def check() -> None:
    """Raise `Interrupted` where a signal has asked one of the processes to stop: in all of them, at the same place."""
    if number := ranks.most(interrupt.requested() or 0):
        raise Interrupted(number)


@contextmanager
def hired(size: int, run: Path) -> Iterator[Crew]:
    """The first of `size` processes, the others being started on the run in the folder `run`, by its `config.yaml`.

    What they say is kept in `processes` there. When the block ends they are ended; when one of them ends before, the
    run ends. Raises `RunError` with its last words.
    """
    if size == 1:
        yield ALONE
        return
    port = free_port()
    (run / "processes").mkdir(exist_ok=True)
    helpers = [_Helper(Crew(rank, size, port), run) for rank in range(1, size)]
    done = threading.Event()
    watching = threading.Thread(target=_watch, args=(helpers, done), daemon=True)
    watching.start()
    try:
        yield Crew(0, size, port)
    except RuntimeError as error:
        fallen = _first_fallen(helpers, wait=GRACE_SECONDS / 2)
        if fallen is None:
            raise
        raise RunError(fallen.last_words()) from error
    finally:
        done.set()
        for helper in helpers:
            helper.end()
        ranks.leave()


class _Helper:
    """Another process of a run."""

    def __init__(self, crew: Crew, run: Path) -> None:
        self.crew, self.run, self.log = crew, run, run / "processes" / f"{crew.rank}.log"
        place = (str(crew.rank), str(crew.size), str(crew.port))
        words = [sys.executable, "-m", "tacit.assist", str(run / "config.yaml"), *place]
        with self.log.open("wb") as file:
            # a session of its own, so that Ctrl-C reaches the first process alone
            self.process = subprocess.Popen(  # noqa: S603 - ours
                words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )

    @property
    def fallen(self) -> bool:
        """Whether it has ended otherwise than well."""
        return self.process.poll() not in (None, 0)

    def last_words(self) -> str:
        """What became of it."""
        code = self.process.returncode
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        said = self.log.read_text(errors="replace").strip()[-_LAST_WORDS:]
        told = f": {said.splitlines()[-1].removeprefix('tacit: ')}" if said else ""
        return (
            f"process {self.crew.rank + 1} of {self.crew.size} {how}{told} (all that it said: {self.log}). "
            f"The newest checkpoint is safe: go on with --resume --out {self.run}"
        )

    def end(self) -> None:
        """Have it end, by force if need be."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _first_fallen(helpers: Sequence[_Helper], wait: float = 0.0) -> _Helper | None:
    """A helper that has fallen; one whose fall has been felt may take a moment to be dead, up to `wait` seconds."""
    until = time.monotonic() + wait
    while True:
        fallen = next((helper for helper in helpers if helper.fallen), None)
        if fallen is not None or time.monotonic() >= until:
            return fallen
        time.sleep(_LOOK_SECONDS / 5)


def _watch(helpers: Sequence[_Helper], done: threading.Event) -> None:
    """End this process when a helper has fallen and it waits for that one for ever: checkpoints stand in any case."""
    while not done.wait(_LOOK_SECONDS):
        if (fallen := _first_fallen(helpers)) and not done.wait(GRACE_SECONDS):
            console.say(f"tacit: {fallen.last_words()}")
            os._exit(RunError.exit_code)


def end_with_parent() -> None:
    """From here on this process ends when the one that started it does, even if it waits for that one for ever."""
    parent = os.getppid()

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(RunError.exit_code)

    threading.Thread(target=look, daemon=True).start()


def free_port() -> int:
    """A port that nobody on this machine listens at."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])
