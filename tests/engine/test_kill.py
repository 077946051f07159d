"""A run that is killed again and again ends in the same bits as one that was not."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import engine_toys
import pytest
from programs import Program, Programs
from safetensors.torch import load_file

STEPS = 60


class Nursery:
    """Starts training processes."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def start(self, folder: Path, method: str = "toy", delay: float = 0.0, optimiser: str = "adamw") -> Program:
        """A process that trains in `folder`, new or not, and sleeps `delay` seconds a micro-batch."""
        said, script = folder.with_name(f"{folder.name}-said"), Path(engine_toys.__file__)
        return self._programs.start([folder, method, delay, optimiser], said, script=script)


@pytest.fixture
def nursery(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> Nursery:
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    return Nursery(programs)


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


@pytest.mark.parametrize(
    ("method", "optimiser"), [("toy", "adamw"), ("toy", "lars"), ("toy", "muon"), ("whitening", "adamw")]
)
def test_a_killed_run_ends_in_the_same_bits(nursery: Nursery, tmp_path: Path, method: str, optimiser: str) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    first = nursery.start(whole, method, 0.0, optimiser)
    assert first.wait() == 0, first.err
    chance = random.Random(os.urandom(8))
    stops = []
    for _ in range(4 if method == "toy" else 2):
        killed = nursery.start(torn, method, 0.03 if method == "toy" else 0.4, optimiser)
        time.sleep(chance.uniform(0.05, 0.7))
        killed.send(signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL, killed.err
        stops.append(saved(torn))
    last = nursery.start(torn, method, 0.0, optimiser)
    assert last.wait() == 0, last.err
    assert saved(whole) == saved(torn) == (STEPS if method == "toy" else 6)
    state = last_state(whole)
    assert state == last_state(torn), f"stopped at {stops}"
    assert lines(whole) == lines(torn)
    assert len(list((torn / "checkpoints").iterdir())) == 4, "two checkpoints, and no stray file"
    names = {"learner.count"} if method == "whitening" else {"learner.queue", "learner.student.net.body.1.running_var"}
    kept = {"adamw": ("exp_avg", "exp_avg_sq", "step"), "lars": ("momentum_buffer",), "muon": ("momentum_buffer",)}
    moments = kept[optimiser]
    if method == "toy":
        names |= {f"optimiser.{key}.student.net.body.0.weight" for key in moments}
    assert names <= state.keys()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_ends_the_run(nursery: Nursery, tmp_path: Path, number: signal.Signals, code: int) -> None:
    folder = tmp_path / "run"
    stopped = nursery.start(folder, delay=0.03)
    limit = time.monotonic() + 60
    while saved(folder) < 2 and time.monotonic() < limit:
        time.sleep(0.02)
    stopped.send(number)
    assert stopped.wait() == code, stopped.err
    at = saved(folder)
    assert f"stopped at step {at} of {STEPS}" in stopped.err
    assert "--resume" in stopped.err
    resumed = nursery.start(folder)
    assert resumed.wait() == 0
    assert f"resumed at step {at} of {STEPS}" in resumed.err
