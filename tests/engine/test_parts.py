"""A run whose weights lie in parts leaves what any run leaves, and goes on to the same bits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_toys import Toy, settings
from parting import STEPS, fit, sure
from torch import Tensor

from tacit.engine import checkpoint, optimiser
from tacit.engine.crew import ALONE, free_port

SCRIPT = Path(__file__).parent / "parting.py"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, programs: Any) -> Path:
    folder, ports = tmp_path_factory.mktemp("parts"), [free_port() for _ in range(4)]
    both = [programs.start([rank, folder, *ports], folder / f"{rank}", script=SCRIPT) for rank in (0, 1)]
    assert [run.wait() for run in both] == [0, 0], [run.err for run in both]
    return folder


def tensors(run: Path) -> dict[str, Tensor]:
    found, complaints = checkpoint.newest(run / "checkpoints")
    assert found is not None
    assert found.step == STEPS
    assert not complaints
    return dict(found.state().tensors)


def looks(run: Path) -> dict[int, tuple[float, float]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: (line["seen"], line["weights"]) for line in lines if "seen" in line}


def test_one_that_was_stopped_ends_with_the_same_bits(runs: Path) -> None:
    whole, stopped = tensors(runs / "whole"), tensors(runs / "stopped")
    assert whole.keys() == stopped.keys()
    assert all(torch.equal(value, stopped[key]) for key, value in whole.items())
    assert looks(runs / "whole") == looks(runs / "stopped")


def test_looks_see_the_learner_as_it_is(runs: Path) -> None:
    found = looks(runs / "whole")
    assert found.keys() == {0, STEPS // 2, STEPS}
    assert len(set(found.values())) == 3


def test_one_process_takes_up_the_checkpoint(runs: Path) -> None:
    state, learner = checkpoint.State(tensors(runs / "whole")), Toy()
    moved = optimiser.build(settings().optimiser, learner, learner.rates)
    before = learner.student["head"].weight.clone()
    checkpoint.unpack(state, learner, moved)
    assert not torch.equal(learner.student["head"].weight, before)
    again = checkpoint.pack(learner, moved).tensors
    assert again.keys() == state.tensors.keys()
    assert any(name.startswith("optimiser.exp_avg_sq.") for name in again)
    assert all(torch.equal(value, state.tensors[name]) for name, value in again.items())


def test_the_norm_of_a_layer_is_that_of_all_its_parts(runs: Path, tmp_path: Path) -> None:
    """LARS scales by norms, as clipping does: one process is a witness."""
    fit(tmp_path / "alone", sure(), ALONE, "lars")
    alone, parts = tensors(tmp_path / "alone"), tensors(runs / "lars")
    assert alone.keys() == parts.keys()
    for name, value in alone.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-3, atol=1e-5, msg=name)
