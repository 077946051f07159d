"""A run that is killed again and again ends in the same bits as one that was not."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import engine_toys
import pytest
from safetensors.torch import load_file

STEPS = 60


class Nursery:
    """Starts training processes, one at a time."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        assert server.stdin is not None
        assert server.stdout is not None
        self._to, self._from = server.stdin, server.stdout

    def start(self, folder: Path, method: str = "toy", delay: float = 0.0, optimiser: str = "adamw") -> int:
        """The pid of a process that trains in `folder`, new or not, and sleeps `delay` seconds a micro-batch."""
        self._to.write(json.dumps([str(folder), method, delay, optimiser]) + "\n")
        self._to.flush()
        return int(self._from.readline())

    def wait(self) -> int:
        """The exit code of the process, minus the signal's number if one killed it."""
        return int(self._from.readline())


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}
    command = [sys.executable, engine_toys.__file__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as server:
        yield Nursery(server)
        os.killpg(server.pid, signal.SIGKILL)  # its session: itself, and a child that a failed test left behind


def said(folder: Path) -> str:
    return Path(f"{folder}.stderr").read_text()


def saved(folder: Path) -> int:
    """The step of the newest checkpoint, -1 if there is none."""
    return max((int(path.stem[5:]) for path in folder.glob("checkpoints/step-*.json")), default=-1)


def last_state(folder: Path) -> dict[str, bytes]:
    """Every tensor of the newest checkpoint as bytes."""
    path = max(folder.glob("checkpoints/step-*.safetensors"))
    return {name: value.numpy().tobytes() for name, value in load_file(path).items()}


def lines(folder: Path) -> list[dict[str, float]]:
    """metrics.jsonl without what depends on the clock."""
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in r.items() if k not in ("samples_per_second", "waiting")} for r in records]


@pytest.mark.parametrize(("method", "optimiser"), [("toy", "adamw"), ("toy", "lars"), ("whitening", "adamw")])
def test_a_killed_run_ends_in_the_same_bits(nursery: Nursery, tmp_path: Path, method: str, optimiser: str) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    nursery.start(whole, method, 0.0, optimiser)
    assert nursery.wait() == 0, said(whole)
    chance = random.Random(os.urandom(8))
    stops = []
    for _ in range(4 if method == "toy" else 2):
        pid = nursery.start(torn, method, 0.03 if method == "toy" else 0.4, optimiser)
        time.sleep(chance.uniform(0.05, 0.7))
        os.kill(pid, signal.SIGKILL)
        assert nursery.wait() == -signal.SIGKILL, said(torn)
        stops.append(saved(torn))
    nursery.start(torn, method, 0.0, optimiser)
    assert nursery.wait() == 0, said(torn)
    assert saved(whole) == saved(torn) == (STEPS if method == "toy" else 6)
    state = last_state(whole)
    assert state == last_state(torn), f"stopped at {stops}"
    assert lines(whole) == lines(torn)
    assert len(list((torn / "checkpoints").iterdir())) == 4, "two checkpoints, and no stray file"
    names = {"learner.count"} if method == "whitening" else {"learner.queue", "learner.student.net.body.1.running_var"}
    moments = {"adamw": ("exp_avg", "exp_avg_sq", "step"), "lars": ("momentum_buffer",)}[optimiser]
    if method == "toy":
        names |= {f"optimiser.{key}.student.net.body.0.weight" for key in moments}
    assert names <= state.keys()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_ends_the_run(nursery: Nursery, tmp_path: Path, number: signal.Signals, code: int) -> None:
    folder = tmp_path / "run"
    pid = nursery.start(folder, delay=0.03)
    limit = time.monotonic() + 60
    while saved(folder) < 2 and time.monotonic() < limit:
        time.sleep(0.02)
    os.kill(pid, number)
    assert nursery.wait() == code, said(folder)
    at = saved(folder)
    assert f"stopped at step {at} of {STEPS}" in said(folder)
    assert "--resume" in said(folder)
    nursery.start(folder)
    assert nursery.wait() == 0
    assert f"resumed at step {at} of {STEPS}" in said(folder)
