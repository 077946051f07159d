"""A run whose weights lie in parts leaves what any run leaves, and goes on to the same bits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_toys import Toy, settings
from torch import Tensor

from tacit.engine import checkpoint, optimiser
from tacit.engine.crew import free_port

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, programs: Any) -> Path:
    folder, ports = tmp_path_factory.mktemp("parts"), [free_port() for _ in range(6)]
    both = [programs.start([rank, folder, *ports], folder / f"{rank}", script=HERE / "parting.py") for rank in (0, 1)]
    assert [run.wait() for run in both] == [0, 0], [run.err for run in both]
    return folder


def tensors(run: Path) -> dict[str, Tensor]:
    found, complaints = checkpoint.newest(run / "checkpoints")
    assert found is not None
    assert found.step == 6
    assert not complaints
    return dict(found.state().tensors)


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", ["adamw", "lars"])
def test_one_that_was_stopped_ends_with_the_same_bits(runs: Path, name: str) -> None:
    whole, stopped = tensors(runs / f"whole-{name}"), tensors(runs / f"stopped-{name}")
    assert whole.keys() == stopped.keys()
    assert all(torch.equal(value, stopped[key]) for key, value in whole.items())
    assert any(key.startswith("optimiser.") and value.abs().sum() for key, value in whole.items())


def test_one_process_takes_up_the_checkpoint(runs: Path) -> None:
    state = checkpoint.State(tensors(runs / "whole-adamw"))
    learner = Toy()
    moved = optimiser.build(settings().optimiser, learner, learner.rates)
    before = learner.student["head"].weight.clone()
    checkpoint.unpack(state, learner, moved)
    assert not torch.equal(learner.student["head"].weight, before)
    again = checkpoint.pack(learner, moved).tensors
    assert again.keys() == state.tensors.keys()
    assert all(torch.equal(value, state.tensors[key]) for key, value in again.items())


def test_looks_see_the_learner_as_it_is(runs: Path) -> None:
    looks = {line["step"]: (line["seen"], line["weights"]) for line in lines(runs / "whole-adamw") if "seen" in line}
    assert looks.keys() == {0, 3, 6}
    assert len(set(looks.values())) == 3
    again = {line["step"]: (line["seen"], line["weights"]) for line in lines(runs / "stopped-adamw") if "seen" in line}
    assert again == looks
