"""What a run computes with is said with its reason, and what was set is said to be."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from engine_toys import AUGMENT, Blobs, Toy, settings

from tacit.engine import loop
from tacit.engine.chosen import chosen, in_words
from tacit.engine.runfolder import RunFolder
from tacit.engine.settings import EngineConfig

FACTS = {"precision": "fp32", "threads": "2", "device": "cpu x86_64 AVX2", "world_size": "1"}


def whys(config: EngineConfig, facts: Mapping[str, str] = FACTS, batch: int = 256) -> dict[str, str]:
    return {each.name: each.why for each in chosen(config, facts, batch, 5_000)}


def test_each_has_its_reason() -> None:
    free = whys(EngineConfig())
    assert free["batch"] == "as usual"
    assert free["precision"] == "the processor does not compute in bf16"
    assert free["threads"].startswith("torch's choice, of ")
    assert whys(EngineConfig(), batch=128)["batch"] == "no more suit 5,000 samples"
    shared = whys(EngineConfig(), {**FACTS, "world_size": "4", "precision": "bf16", "device": "NVIDIA H100"})
    assert shared["precision"] == "the GPU computes in it"
    assert shared["threads"].startswith("the share of each of 4 processes, of ")
    said = EngineConfig(batch=64, precision="bf16", threads=3)
    assert set(whys(said).values()) == {"as set"}


def test_the_line_names_the_settings_that_are_free() -> None:
    some = in_words(chosen(EngineConfig(batch=256), FACTS, 256, 5_000))
    assert some.startswith("computes with 256 samples a step (as set), fp32 (the processor does not compute in bf16), ")
    assert some.endswith(": --set precision=..., --set threads=... for others")
    all_set = in_words(chosen(EngineConfig(batch=2, precision="fp32", threads=1), {**FACTS, "threads": "1"}, 2, 9))
    assert all_set == "computes with 2 samples a step (as set), fp32 (as set), 1 thread (as set)"


def test_a_run_says_it_first_and_keeps_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = settings(steps=1, threads=1)
    with RunFolder(tmp_path / "run") as folder:
        folder.write(folder.config, config.to_yaml())
        loop.fit(Toy(), Blobs(), AUGMENT, config, folder)
    assert capsys.readouterr().err.splitlines()[0].startswith("computes with ")
    kept = json.loads((tmp_path / "run" / "run.json").read_text())
    assert kept["threads"] == {"value": "1", "why": "as set"}
    assert kept["precision"]["value"] == kept["environment"]["precision"]
