"""A learner that hears what the evaluators find, and may end its run: as part of its state, whenever it is stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from engine_toys import AUGMENT, Blobs, Toy, settings
from torch import Tensor

from tacit.core import Learner, Progress
from tacit.engine import loop, optimiser
from tacit.engine.runfolder import RunFolder
from tacit.engine.settings import Budget, EngineConfig, Optimiser
from tacit.errors import Interrupted


class Listener(Toy):
    """Counts what it hears, and has had enough after `patience` looks."""

    def __init__(self, patience: int = 99) -> None:
        super().__init__()
        self.patience = patience
        self.register_buffer("heard", torch.zeros(2))

    def hear(self, found: Mapping[str, float], progress: Progress) -> None:
        self.heard += torch.tensor([1.0, found["std"] * progress.step])

    @property
    def finished(self) -> bool:
        return self.heard[0].item() >= self.patience


def looks(stop_at: int | None = None) -> list[object]:
    def evaluate(learner: Learner, progress: Progress) -> Iterator[tuple[str, float]]:
        if progress.step == stop_at:
            raise Interrupted(15)
        yield "std", 0.5

    return [evaluate]


def train(path: Path, config: EngineConfig, *, stop_at: int | None = None, patience: int = 99) -> Listener:
    learner, resume = Listener(patience), (path / "config.yaml").exists()
    with RunFolder(path, resume=resume) as folder:
        folder.write(folder.config, config.to_yaml())
        loop.fit(learner, Blobs(), AUGMENT, config, folder, resume=resume, evaluators=looks(stop_at))
    return learner


def state(learner: Listener) -> list[Tensor]:
    return list(learner.state_dict().values())


@pytest.mark.parametrize("step", [0, 12, 20])
def test_a_look_that_was_stopped_is_made_up_for_when_the_run_goes_on(tmp_path: Path, step: int) -> None:
    config = settings(steps=20, checkpoint_seconds=1000)
    whole = train(tmp_path / "whole", config)
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", config, stop_at=step)
    resumed = train(tmp_path / "cut", config)
    assert all(torch.equal(a, b) for a, b in zip(state(resumed), state(whole), strict=True))
    assert whole.heard[0] > 3
    lines = [(tmp_path / name / "metrics.jsonl").read_text().count('"std"') for name in ("cut", "whole")]
    assert lines[0] == lines[1]


def test_a_run_ends_when_its_learner_has_had_enough_and_stays_ended(tmp_path: Path) -> None:
    config = settings(steps=200, evaluations=20)
    ended = train(tmp_path / "run", config, patience=4)
    assert ended.heard[0] == 4
    steps = len(list((tmp_path / "run" / "checkpoints").glob("*.json")))
    again = train(tmp_path / "run", config, patience=4)
    assert again.heard[0] == 4
    assert all(torch.equal(a, b) for a, b in zip(state(ended), state(again), strict=True))
    assert len(list((tmp_path / "run" / "checkpoints").glob("*.json"))) == steps


def test_a_run_ends_when_its_watch_has_seen_enough_and_stays_ended(tmp_path: Path) -> None:
    def evaluate(learner: Learner, progress: Progress) -> Iterator[tuple[str, float]]:
        yield "uniformity", -3.9 if progress.step == 0 else -3.5 - 0.001 * progress.step

    class Contrasting(Toy):
        contrasts = True

    def fit(*, resume: bool) -> tuple[int, list[Tensor]]:
        learner, config = Contrasting(), settings(steps=200, evaluations=20)
        with RunFolder(tmp_path / "run", resume=resume) as folder:
            folder.write(folder.config, config.to_yaml())
            done = loop.fit(learner, Blobs(), AUGMENT, config, folder, resume=resume, evaluators=[evaluate])
        return done.step, list(learner.state_dict().values())

    ended, again = fit(resume=False), fit(resume=True)
    assert ended[0] == again[0] == 30  # looked at every ten steps: highest at 10, .02 lower at 30
    assert all(torch.equal(a, b) for a, b in zip(ended[1], again[1], strict=True))


def test_parts_of_a_learner_follow_at_rates_of_their_own() -> None:
    learner = Toy()
    built = optimiser.build(Optimiser(), learner, {"student.head.": 0.5})
    optimiser.set_learning_rate(built, 0.2)
    rates = {id(p): group["lr"] for group in built.param_groups for p in group["params"]}
    assert {rates[id(p)] for p in learner.student["head"].parameters()} == {0.1}
    assert {rates[id(p)] for p in learner.student["net"].parameters()} == {0.2}


def test_the_speed_is_measured_all_over_the_run(tmp_path: Path) -> None:
    """A learner that does more later would by its first steps alone get a plan of twice the time."""
    seen: list[float] = []

    class Watched(Toy):
        def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
            seen.append(progress.fraction)
            super().update(carry, progress)

    with RunFolder(tmp_path / "run") as folder:
        loop.fit(Watched(), Blobs(delay=0.01), AUGMENT, settings(budget=Budget(time=2)), folder)
    measured = seen[: next(n for n in range(1, len(seen)) if seen[n] == 0)]
    assert len(measured) > 5
    assert 0.3 < sum(measured) / len(measured) < 0.7
