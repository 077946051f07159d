"""`tacit` as a process of its own, forked from one that has imported everything: that alone takes ten seconds.

Such a process has signals, files and an exit code of its own, and can be stopped just as well as one that Python
started anew. That `python -m tacit` starts is tested with the commands.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


class Programs:
    """Starts `tacit`, one process at a time."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        assert server.stdin is not None
        assert server.stdout is not None
        self._to, self._from = server.stdin, server.stdout

    def stopped(
        self, words: Sequence[str], said: Path, number: signal.Signals, ready: Callable[[], object]
    ) -> tuple[int, str]:
        """The exit code of `tacit WORDS`, sent a signal once it is `ready`, and what it said, kept in a file `said`.

        No signal is sent to one that has ended by itself.
        """
        self._to.write(json.dumps([list(words), str(said), dict(os.environ)]) + "\n")
        self._to.flush()
        pid = int(self._from.readline())
        limit = time.monotonic() + 120
        while not ready() and time.monotonic() < limit and not select.select([self._from], [], [], 0.01)[0]:
            pass
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        return int(self._from.readline()), said.read_text()


@contextmanager
def programs() -> Iterator[Programs]:
    """The process that others are forked from, while it is needed."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as server:
        yield Programs(server)
        os.killpg(server.pid, signal.SIGKILL)  # its session: itself, and a child that a failed test left behind


def _serve() -> None:
    """For each line of stdin fork a process; say its pid, and its exit code once it has ended."""
    import lightning_fabric  # noqa: F401 - what is imported here is imported once

    import tacit.desk
    import tacit.training  # noqa: F401

    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os._exit(_child(*json.loads(line)))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n")
        sys.stdout.flush()


def _child(words: list[str], said: str, environment: Mapping[str, str]) -> int:
    from tacit.cli import main

    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ.clear()
    os.environ.update(environment)
    try:
        main(words)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 98
    except BaseException:
        traceback.print_exc()
        return 99
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    _serve()
