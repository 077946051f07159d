import math
from pathlib import Path

import pytest
import torch
from engine_toys import Toy
from safetensors.torch import save as to_bytes
from torch import nn

from tacit.engine import checkpoint, optimiser
from tacit.engine.checkpoint import State
from tacit.engine.settings import Optimiser
from tacit.errors import RunError


def save(folder: Path, step: int, state: State | None = None) -> None:
    checkpoint.save(
        folder, state or State({"learner.x": torch.full((50,), float(step))}), {"step": step, "encoder": ""}
    )


def flip(path: Path, place: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 1))] ^= 1
    path.write_bytes(data)


DAMAGE = {
    "first byte": lambda folder: flip(folder / "step-00000002.safetensors", 0.0),
    "last byte": lambda folder: flip(folder / "step-00000002.safetensors", 1.0),
    "manifest": lambda folder: flip(folder / "step-00000002.json", 0.5),
    "manifest's first byte": lambda folder: flip(folder / "step-00000002.json", 0.0),
    "truncated": lambda folder: (folder / "step-00000002.safetensors").write_bytes(b"123"),
    "empty manifest": lambda folder: (folder / "step-00000002.json").write_bytes(b""),
    "other json": lambda folder: (folder / "step-00000002.json").write_bytes(b"[1]"),
    "missing": lambda folder: (folder / "step-00000002.safetensors").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_named_and_the_older_one_used(tmp_path: Path, damage: str) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    DAMAGE[damage](tmp_path)
    found, complaints = checkpoint.newest(tmp_path)
    assert found is not None
    assert found.step == 1
    assert found.state().tensors["learner.x"].tolist() == [1.0] * 50
    assert len(complaints) == 1
    assert "step-00000002" in complaints[0]


def test_every_byte_of_a_manifest_is_guarded(tmp_path: Path) -> None:
    save(tmp_path, 1)
    manifest = tmp_path / "step-00000001.json"
    whole = manifest.read_bytes()
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= 1
        manifest.write_bytes(data)
        try:
            found, _ = checkpoint.newest(tmp_path)
        except RunError:
            continue
        assert found is not None
        assert found.step == 1, f"byte {place}"
        assert bytes([whole[place]]).isspace(), f"byte {place} matters, and its flip went unseen"


def test_without_an_intact_checkpoint_the_run_ends(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path) == (None, [])
    save(tmp_path, 1)
    flip(tmp_path / "step-00000001.safetensors", 0.5)
    with pytest.raises(RunError, match="safetensors is damaged"):
        checkpoint.newest(tmp_path)


def test_two_are_kept_and_a_torn_third_goes(tmp_path: Path) -> None:
    (tmp_path / "step-00000001.safetensors").write_bytes(b"its manifest was never written")
    for step in (3, 4, 5):
        save(tmp_path, step)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"step-0000000{step}.{suffix}" for step in (4, 5) for suffix in ("json", "safetensors")
    }
    checkpoint.discard_after(tmp_path, 4)
    assert {path.stem for path in tmp_path.iterdir()} == {"step-00000004"}


def test_tied_and_strided_tensors_are_kept(tmp_path: Path) -> None:
    base = torch.arange(12.0).view(3, 4)
    save(tmp_path, 1, State({"learner.a": base, "learner.b": base, "learner.c": base.T, "learner.d": base[1:]}))
    found, _ = checkpoint.newest(tmp_path)
    assert found is not None
    tensors = found.state().tensors
    assert torch.equal(tensors["learner.b"], base)
    assert torch.equal(tensors["learner.c"], base.T)
    assert torch.equal(tensors["learner.d"], base[1:])


def test_the_bytes_are_those_that_the_formats_own_library_makes() -> None:
    kinds = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
    kinds += (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    tensors = {f"learner.{kind}, é": torch.arange(n % 4).to(kind) for n, kind in enumerate(kinds)}
    tensors |= {"none": torch.zeros(0, 3), "a number": torch.tensor(7.0), "z": torch.ones(2, 3)}
    assert checkpoint.serialise(State(tensors)) == to_bytes(tensors)
    assert checkpoint.serialise(State(tensors), {"one": "nôte"}) == to_bytes(tensors, {"one": "nôte"})


@pytest.mark.parametrize(("value", "number"), [(1.0, True), (3e38, True), (math.inf, False), (math.nan, False)])
def test_parameters_that_are_no_numbers_are_found_and_large_ones_are_some(value: float, number: bool) -> None:
    net = nn.Linear(3, 3)
    nn.init.constant_(net.weight, value)
    assert checkpoint.finite(net) is number
    nn.init.constant_(net.weight, -value)
    assert checkpoint.finite(net) is number


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars", "muon"])
def test_a_restored_optimiser_goes_on_as_if_never_stored(tmp_path: Path, name: str) -> None:
    config = Optimiser(name=name, lr=0.1)
    learner, restored = Toy(), Toy()
    first, second = optimiser.build(config, learner), optimiser.build(config, restored)

    def step(net: nn.Module, opt: torch.optim.Optimizer, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for parameter in net.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.empty_like(parameter).normal_(generator=generator)
        opt.step()

    step(learner, first, 0)
    save(tmp_path, 1, checkpoint.pack(learner, first))
    found, _ = checkpoint.newest(tmp_path)
    assert found is not None
    checkpoint.unpack(found.state(), restored, second)
    weight, twin = learner.student["net"].body[3].weight, restored.student["net"].body[3].weight
    for key, value in first.state[weight].items():
        assert torch.equal(second.state[twin][key], value)
        assert second.state[twin][key].stride() == value.stride(), "channels_last is kept"
    step(learner, first, 1)
    step(restored, second, 1)
    assert all(torch.equal(a, b) for a, b in zip(learner.parameters(), restored.parameters(), strict=True))


def test_the_encoder_can_be_read_alone(tmp_path: Path) -> None:
    learner = Toy()
    prefix = checkpoint.encoder_prefix(learner)
    assert prefix == "student.net."
    checkpoint.save(tmp_path, checkpoint.pack(learner), {"step": 0, "encoder": prefix})
    found, _ = checkpoint.newest(tmp_path)
    assert found is not None
    assert found.encoder().keys() == learner.encoder.state_dict().keys()
