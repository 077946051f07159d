"""Checkpoints: the whole state of a run in safetensors and JSON, verified before it is trusted.

`step-00000120.safetensors` holds the tensors; `step-00000120.json`, the manifest, is written last and holds their
SHA-256 and its own. A checkpoint without an intact manifest does not exist.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn
from torch.optim import Optimizer

from tacit.core import Learner
from tacit.engine import files
from tacit.errors import RunError

KEEP = 2
_LEARNER, _OPTIMISER = "learner.", "optimiser."


@dataclass(frozen=True, eq=False)
class State:
    """What a checkpoint holds."""

    tensors: Mapping[str, Tensor]
    """`learner.NAME`: its state_dict; `optimiser.KEY.NAME`: the optimiser's tensor KEY of parameter NAME."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """The optimiser's state that is no tensor, under the same names."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint on disk whose bytes were verified."""

    path: Path
    """Its tensors; the manifest stands beside them."""
    manifest: Mapping[str, Any]

    @property
    def step(self) -> int:
        """Steps done when it was written."""
        return int(self.manifest["step"])

    def state(self) -> State:
        """Its state, on the CPU."""
        return State(load_file(self.path), self.manifest["numbers"])

    def learner(self) -> dict[str, Tensor]:
        """The `state_dict` of the learner."""
        tensors = self.state().tensors
        return {name.removeprefix(_LEARNER): value for name, value in tensors.items() if name.startswith(_LEARNER)}

    def encoder(self) -> dict[str, Tensor]:
        """The `state_dict` of the learner's encoder."""
        prefix = self.manifest["encoder"]
        own = self.learner()
        return {name.removeprefix(prefix): value for name, value in own.items() if name.startswith(prefix)}


def pack(learner: nn.Module, optimiser: Optimizer | None = None) -> State:
    """The state of a learner and its optimiser, by reference."""
    tensors = {_LEARNER + name: value for name, value in learner.state_dict().items()}
    numbers: dict[str, Any] = {}
    for name, parameter in _optimised(learner, optimiser):
        for key, value in optimiser.state.get(parameter, {}).items() if optimiser else ():
            (tensors if isinstance(value, Tensor) else numbers)[f"{_OPTIMISER}{key}.{name}"] = value
    return State(tensors, numbers)


def copied(state: State) -> State:
    """The same state as it is now, on the CPU: steps that come do not move it."""
    return State({name: value.detach().to("cpu", copy=True) for name, value in state.tensors.items()}, state.numbers)


def unpack(state: State, learner: nn.Module, optimiser: Optimizer | None = None) -> None:
    """Put `state` back into a learner and an optimiser that were built as those it was packed from.

    The optimiser's tensors get the strides of their parameters (channels_last, say): another memory format would
    give other roundings, and so other bits, from the next step on.
    """
    own = {n.removeprefix(_LEARNER): value for n, value in state.tensors.items() if n.startswith(_LEARNER)}
    learner.load_state_dict(own)
    parameters = dict(_optimised(learner, optimiser))
    for full, value in [*state.tensors.items(), *state.numbers.items()]:
        if optimiser is not None and full.startswith(_OPTIMISER):
            key, name = full.removeprefix(_OPTIMISER).split(".", 1)
            if key != "step" and isinstance(value, Tensor):  # torch keeps the count of steps on the CPU
                value = torch.empty_like(parameters[name], dtype=value.dtype).copy_(value)
            optimiser.state[parameters[name]][key] = value


def _optimised(learner: nn.Module, optimiser: Optimizer | None) -> Iterator[tuple[str, nn.Parameter]]:
    if optimiser is not None:
        trained = {id(parameter) for group in optimiser.param_groups for parameter in group["params"]}
        yield from ((name, parameter) for name, parameter in learner.named_parameters() if id(parameter) in trained)


def encoder_prefix(learner: Learner) -> str:
    """Where the encoder stands in the learner's `state_dict`, such as `student.encoder.`."""
    encoder = learner.encoder
    return next(f"{name}." for name, module in learner.named_modules() if module is encoder)


def save(folder: Path, state: State, manifest: Mapping[str, Any]) -> None:
    """Write the checkpoint of `manifest["step"]`, then remove all but the last `KEEP`. Raises `files.WriteError`."""
    path = folder / f"step-{manifest['step']:08d}.safetensors"
    data = serialise(state)
    files.write(path, data)
    body = dict(manifest) | {"numbers": dict(state.numbers), "sha256": hashlib.sha256(data).hexdigest()}
    files.write(path.with_suffix(".json"), json.dumps(body | {"seal": _seal(body)}, indent=1).encode())
    standing = sorted(folder.glob("step-*.json"))
    for old in standing[:-KEEP]:
        old.unlink()
    kept = {manifest.stem for manifest in standing[-KEEP:]}
    for tensors in folder.glob("step-*.safetensors"):
        if tensors.stem not in kept:
            tensors.unlink()


def serialise(state: State, notes: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file, with `notes` in its header."""
    seen: set[int] = set()
    plain = {}
    for name, value in state.tensors.items():
        tensor = value.detach().cpu().contiguous()
        # safetensors refuses tied weights, and state_dict has them under both names
        storage = tensor.untyped_storage().data_ptr()
        plain[name] = tensor.clone() if storage in seen else tensor
        seen.add(storage)
    return to_bytes(plain, dict(notes or {}))


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest intact checkpoint, and a line about every damaged one that is newer.

    None where the folder holds no checkpoint. Raises `RunError` where it holds some and all are damaged.
    """
    complaints: list[str] = []
    for manifest in sorted(folder.glob("step-*.json"), reverse=True):
        reason, checkpoint = _verify(manifest)
        if checkpoint is not None:
            return checkpoint, complaints
        complaints.append(reason)
    if complaints:
        listed = "\n".join(f"  {line}" for line in complaints)
        raise RunError(f"no intact checkpoint is left in {folder}:\n{listed}\nStart a new run with another --out.")
    return None, []


def verified(manifest: Path) -> Checkpoint:
    """The checkpoint of this manifest. Raises `RunError` where it is missing or damaged."""
    reason, found = _verify(manifest)
    if found is None:
        raise RunError(f"{reason}. The run's other checkpoint may be intact: give the run folder instead.")
    return found


def discard_after(folder: Path, step: int) -> None:
    """Remove what is newer than `step`: damaged checkpoints that would push intact ones out."""
    for suffix in ("json", "safetensors"):
        for path in folder.glob(f"step-*.{suffix}"):
            if int(path.stem.removeprefix("step-")) > step:
                path.unlink()


def _verify(path: Path) -> tuple[str, Checkpoint | None]:
    tensors = path.with_suffix(".safetensors")
    try:
        manifest = json.loads(path.read_bytes())
        if manifest.pop("seal") != _seal(manifest):
            return f"{path} is damaged: its content does not match its seal", None
        with tensors.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != manifest["sha256"]:
                return f"{tensors} is damaged: its content does not match the SHA-256 in {path.name}", None
    except OSError as error:
        return f"{error.filename} cannot be read: {error.strerror}", None
    except (ValueError, LookupError, TypeError, AttributeError):
        return f"{path} is damaged: it is no manifest of a checkpoint", None
    return "", Checkpoint(tensors, manifest)


def _seal(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
