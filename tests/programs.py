"""Processes that are forked from one that has imported everything, which alone takes ten seconds: `tacit`, or a script.

Such a process has signals, files and an exit code of its own, and can be stopped just as well as one that Python
started anew. That `python -m tacit` starts is tested with the commands.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import select
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


class Program:
    """A process, and what it says into the files `said.out` and `said.err`."""

    def __init__(self, programs: Programs, pid: int, said: Path) -> None:
        self.pid, self._programs, self._said = pid, programs, said

    @property
    def out(self) -> str:
        return Path(f"{self._said}.out").read_text()

    @property
    def err(self) -> str:
        return Path(f"{self._said}.err").read_text()

    def has_ended(self) -> bool:
        return self._programs.code(self.pid, 0.01) is not None

    def send(self, number: signal.Signals) -> None:
        """Send a signal; none reaches one that has ended by itself."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self, seconds: float = 280.0) -> int:
        """Its exit code, minus the number of the signal that ended it; it has to end within `seconds`."""
        code = self._programs.code(self.pid, seconds)
        if code is None:
            self.send(signal.SIGKILL)
        assert code is not None, f"still at work after {seconds} seconds: {self.err}"
        return code


class Programs:
    """Starts processes, in the folder and with the environment that hold here."""

    def __init__(self, server: subprocess.Popen[bytes]) -> None:
        assert server.stdin is not None
        assert server.stdout is not None
        self._to, self._from = server.stdin, server.stdout
        self._heard = b""
        self._codes: dict[int, int] = {}
        self._started: list[int] = []

    def start(
        self, words: Sequence[object], said: Path, *, script: Path | None = None, limit: int | None = None
    ) -> Program:
        """`tacit WORDS`, or `python SCRIPT WORDS`, no file of which may have more than `limit` bytes."""
        asked = {"words": [str(word) for word in words], "script": str(script) if script else None, "limit": limit}
        asked |= {"said": str(said), "cwd": str(Path.cwd()), "environment": dict(os.environ)}
        self._to.write(json.dumps(asked).encode() + b"\n")
        self._to.flush()
        while not self._started:
            self._listen(120)
        return Program(self, self._started.pop(), said)

    def stopped(
        self, words: Sequence[str], said: Path, number: signal.Signals, ready: Callable[[], object]
    ) -> tuple[int, str]:
        """The exit code of `tacit WORDS`, sent a signal once it is `ready` or has ended, and what it said."""
        program = self.start(words, said)
        limit = time.monotonic() + 120
        while not ready() and time.monotonic() < limit and not program.has_ended():
            pass
        program.send(number)
        return program.wait(), program.err

    def code(self, pid: int, seconds: float) -> int | None:
        """The exit code of a process that has ended, or does so within `seconds`."""
        limit = time.monotonic() + seconds
        while pid not in self._codes and (left := limit - time.monotonic()) > 0:
            self._listen(left)
        return self._codes.get(pid)

    def _listen(self, seconds: float) -> None:
        if not select.select([self._from], [], [], seconds)[0]:
            return
        heard = os.read(self._from.fileno(), 2**16)
        assert heard, "the process that others are forked from has ended"
        *lines, self._heard = (self._heard + heard).split(b"\n")
        for line in lines:
            pid, *code = map(int, line.split())
            if code:
                self._codes[pid] = code[0]
            else:
                self._started.append(pid)


@contextmanager
def programs() -> Iterator[Programs]:
    """The process that others are forked from, while it is needed."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    ) as server:
        yield Programs(server)
        os.killpg(server.pid, signal.SIGKILL)  # its session: itself, and a child that a failed test left behind


def _serve() -> None:
    """For each line of stdin fork a process and say its pid; once one has ended, its pid and its exit code."""
    import lightning_fabric  # noqa: F401 - what is imported here is imported once

    import tacit.desk
    import tacit.training  # noqa: F401

    asked, running = b"", 0
    while True:
        if select.select([0], [], [], 0.01 if running else None)[0]:
            read = os.read(0, 2**16)
            if not read:
                return
            *lines, asked = (asked + read).split(b"\n")
            for line in lines:
                pid = os.fork()
                if pid == 0:
                    os._exit(_child(**json.loads(line)))
                running += 1
                os.write(1, b"%d\n" % pid)
        while running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            running -= 1
            os.write(1, b"%d %d\n" % (pid, os.waitstatus_to_exitcode(status)))


def _child(
    words: list[str], script: str | None, limit: int | None, said: str, cwd: str, environment: Mapping[str, str]
) -> int:
    from tacit.cli import main

    for number, path in ((0, os.devnull), (1, f"{said}.out"), (2, f"{said}.err")):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC * (number > 0)), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    if environment.get("PYTHONWARNINGS") == "error":
        warnings.simplefilter("error")
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        sys.dont_write_bytecode = True  # on what is torn the next import of it fails
    try:
        if script is None:
            main(words)
        else:
            sys.argv = [script, *words]
            sys.path.insert(0, str(Path(script).parent))
            runpy.run_path(script, run_name="__main__")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 98 if stop.code else 0
    except BaseException:
        traceback.print_exc()
        return 99
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    _serve()
