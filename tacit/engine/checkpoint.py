"""Checkpoints: the whole state of a run in safetensors and JSON, verified before it is trusted.

`step-00000120.safetensors` holds the tensors; `step-00000120.json`, the manifest, is written last and holds their
SHA-256 and its own. A checkpoint without an intact manifest does not exist.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim import Optimizer

from tacit.core import Learner
from tacit.engine import files
from tacit.errors import RunError

KEEP = 2
_TYPES = {
    torch.int64: "I64",
    torch.float64: "F64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""What safetensors calls them, in the order in which it writes them: the widest first, so that all are aligned."""
_HEAD = 8
"""Bytes that say how long the header of a safetensors file is, and of which that is a multiple."""
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


def copied(state: State, over: State | None = None) -> State:
    """The same state as it is now, on the CPU: steps that come do not move it.

    It is written over an earlier copy `over`, which is then spent: new memory takes longer to get than to fill.
    """
    held = over.tensors if over else {}
    return State({name: _copied(value, held.get(name)) for name, value in state.tensors.items()}, state.numbers)


def _copied(value: Tensor, over: Tensor | None) -> Tensor:
    value = value.detach()
    if over is None or (over.shape, over.dtype, over.stride()) != (value.shape, value.dtype, value.stride()):
        return value.to("cpu", copy=True)
    return over.copy_(value)


def finite(learner: nn.Module) -> bool:
    """Whether all parameters are numbers."""
    with torch.no_grad():
        # a sum is one where all it is of are, and takes a thirtieth of the time; only large ones have none
        return all(parameter.sum().isfinite() or parameter.isfinite().all() for parameter in learner.parameters())


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
    digest = hashlib.sha256()
    files.write(path, _hashed(_pieces(state, {}), digest))
    body = dict(manifest) | {"numbers": dict(state.numbers), "sha256": digest.hexdigest()}
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
    return b"".join(_pieces(state, notes or {}))


def _pieces(state: State, notes: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """The same, tensor by tensor: its own library makes it in one go, for which it holds Python's lock, and copies all.

    The format: the header's length, little endian; the header, JSON filled up with spaces; the tensors.
    """
    order, header, end = list(_TYPES), dict[str, Any](), 0
    tensors = sorted(state.tensors.items(), key=lambda item: (order.index(item[1].dtype), item[0]))
    for name, tensor in tensors:
        start, end = end, end + tensor.nbytes
        header[name] = {"dtype": _TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    named = ({"__metadata__": dict(notes)} if notes else {}) | header
    text = json.dumps(named, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _HEAD)
    yield len(text).to_bytes(_HEAD, "little") + text
    for _, tensor in tensors:
        yield tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def _hashed(pieces: Iterable[bytes | memoryview], digest: hashlib._Hash) -> Iterator[bytes | memoryview]:
    """The same pieces, once `digest` has read them."""
    for piece in pieces:
        digest.update(piece)
        yield piece


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
