"""What a learner takes of a device's memory, where its weights lie therefore, and what is said where there is none."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from engine_toys import AUGMENT, Blobs, Toy, settings

from tacit.core import Progress, Step, View
from tacit.engine import loop
from tacit.engine.chosen import chosen, in_words
from tacit.engine.footprint import Footprint, choose
from tacit.engine.runfolder import RunFolder
from tacit.engine.settings import EngineConfig, Optimiser
from tacit.errors import RunError, UsageError, out_of_memory

GB = 10**9
LARGE = Footprint(divisible=20 * GB, fixed=GB, encoder=4 * GB)
FACTS = {"precision": "bf16", "threads": "2", "device": "NVIDIA H100", "world_size": "4", "weights": "parts"}


def test_it_counts_weights_gradients_and_what_the_optimiser_keeps() -> None:
    toy = Toy()
    one = sum(weight.nbytes for weight in toy.student.parameters())
    found = {name: Footprint.of(toy, settings(name)) for name in ("adamw", "sgd")}
    assert found["adamw"].divisible == 5 * one  # itself, a teacher, gradients and two numbers for each
    assert found["sgd"].divisible == 4 * one
    assert found["sgd"].encoder == sum(weight.nbytes for weight in toy.encoder.parameters())
    assert found["sgd"].fixed == sum(buffer.nbytes for buffer in toy.buffers())


def test_weights_lie_in_parts_where_they_would_fill_more_than_half_of_a_gpu() -> None:
    auto = EngineConfig()
    assert choose(LARGE, auto, 4, 80 * GB).weights == "whole"
    placing = choose(LARGE, auto, 4, 24 * GB)
    assert placing.weights == "parts"
    told = in_words(chosen(auto, FACTS, 256, 5_000, placing))
    assert "parts of weights (whole they take 21.0 of each GPU's 24.0 GB)" in told
    assert "--set weights=..." in told
    assert choose(LARGE, auto, 1, 24 * GB).weights == "whole"
    assert choose(LARGE, auto, 4, None).weights == "whole"
    assert choose(LARGE, EngineConfig(weights="parts"), 4, None).weights == "parts"
    assert choose(LARGE, EngineConfig(weights="whole"), 4, 24 * GB).weights == "whole"
    with pytest.raises(UsageError, match="muon moves each matrix as a whole"):
        choose(LARGE, EngineConfig(weights="parts", optimiser=Optimiser(name="muon")), 4, None)


def test_what_fits_no_device_is_refused_before_it_is_tried() -> None:
    with pytest.raises(UsageError, match=r"adamw keeps take 21\.0 GB of each GPU, which has 16\.0 GB.*--devices 7"):
        choose(LARGE, EngineConfig(), 1, 16 * GB)
    with pytest.raises(UsageError, match="leave out weights=whole"):
        choose(LARGE, EngineConfig(weights="whole"), 8, 16 * GB)
    huge = dataclasses.replace(LARGE, encoder=17 * GB)  # more devices would not help
    with pytest.raises(UsageError, match=r"take a smaller --encoder$"):
        choose(huge, EngineConfig(optimiser=Optimiser(name="sgd")), 8, 16 * GB)


class Hungry(Toy):
    """Has no memory left in its third step."""

    def forward(self, views: list[View], progress: Progress) -> Step:
        if progress.step == 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total of 9 GiB")
        return super().forward(views, progress)


def test_going_out_of_memory_says_what_takes_less(tmp_path: Path) -> None:
    config = settings(steps=4)
    with RunFolder(tmp_path / "run") as folder:
        folder.write(folder.config, config.to_yaml())
        with pytest.raises(RunError) as told:
            loop.fit(Hungry(), Blobs(), AUGMENT, config, folder)
    said = str(told.value)
    assert said.startswith("out of memory at step 2 of 4 on cpu ")
    assert "(Tried to allocate 20.00 MiB)" in said
    assert "a smaller --batch than 32, --set accumulate=4, which takes it in 4 parts" in said
    assert "--set chunk=32" in said
    assert said.endswith(f"Start a new run with --init-from {tmp_path / 'run'} and another --out")


def test_a_cpu_without_memory_is_known_by_its_words() -> None:
    with pytest.raises(RuntimeError) as none_left:
        torch.empty(10**15)
    assert out_of_memory(none_left.value)
    assert out_of_memory(MemoryError())
    assert not out_of_memory(RuntimeError("shapes differ"))
