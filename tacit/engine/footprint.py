"""How much memory a learner takes while it is trained, whether a device has it, and where weights lie therefore."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from tacit.core import Method
from tacit.engine.settings import EngineConfig
from tacit.errors import UsageError

SHARE = 0.5
"""Share of a GPU's memory that state may fill where weights lie whole: what the layers give takes the rest, and more of
it than state in all but the largest networks."""
GB = 1e9
_KEPT = {"adamw": 2, "sgd": 1, "lars": 1, "muon": 2}
"""Numbers that an optimiser keeps for each that it moves, at most."""


@dataclass(frozen=True)
class Footprint:
    """Bytes of what lasts from step to step; what the layers give in a step comes on top."""

    divisible: int
    """Weights (a teacher's, too), gradients, and what the optimiser keeps."""
    fixed: int
    """Buffers: queues, statistics."""
    encoder: int
    """The encoder's weights alone, which a look at its features wants whole."""

    @classmethod
    def of(cls, learner: Method, config: EngineConfig) -> Footprint:
        """That of `learner`, trained as `config` says."""
        weights, trained = _bytes(learner), sum(each.nbytes for each in learner.parameters() if each.requires_grad)
        fixed = sum(each.nbytes for each in learner.buffers())
        return cls(weights + trained * (1 + _KEPT[config.optimiser.name]), fixed, _bytes(learner.encoder))

    def each(self, processes: int, *, parts: bool) -> int:
        """What each of so many processes holds at least."""
        return self.fixed + (self.divisible // processes + self.encoder if parts else self.divisible)


@dataclass(frozen=True)
class Placing:
    """Where a learner's weights lie."""

    weights: Literal["whole", "parts"]
    why: str


def placed(learner: Method, config: EngineConfig, processes: int) -> Placing:
    """Whether each process holds all weights or a part of each. Raises `UsageError` where no device has room."""
    return choose(Footprint.of(learner, config), config, processes, _room(config, processes))


def choose(state: Footprint, config: EngineConfig, processes: int, room: int | None) -> Placing:
    """The same for GPUs of `room` bytes each; None for processes that share the machine's memory."""
    whole = state.each(processes, parts=False)
    parts = config.weights == "parts" or (config.weights == "auto" and room is not None and whole > SHARE * room)
    parts &= processes > 1
    if parts and config.optimiser.name == "muon":
        raise UsageError(
            "optimiser.name muon moves each matrix as a whole, and here each process holds a part of it: set "
            "optimiser.name to adamw, or weights to whole"
        )
    if room is None:
        return Placing("parts" if parts else "whole", "as set" if config.weights != "auto" else "memory is shared")
    need = state.each(processes, parts=parts)
    if need > room:
        raise UsageError(
            f"weights, gradients and what {config.optimiser.name} keeps take {need / GB:.1f} GB of each GPU, which has "
            f"{room / GB:.1f} GB, and what the layers give comes on top: {_advice(state, config, processes, room)}"
        )
    why = "as set" if config.weights != "auto" else f"whole they take {whole / GB:.1f} of each GPU's {room / GB:.1f} GB"
    return Placing("parts" if parts else "whole", why)


def _advice(state: Footprint, config: EngineConfig, processes: int, room: int) -> str:
    left = SHARE * room - state.fixed - state.encoder
    enough = max(2, math.ceil(state.divisible / left)) if left > 0 else 0
    ways = ["take a smaller --encoder"]
    if processes > 1 and config.weights == "whole":
        ways.append("leave out weights=whole, so that each GPU holds a part")
    elif enough > processes:
        ways.append(f"share them among {enough} GPUs by --devices {enough}")
    if config.optimiser.name == "adamw":
        ways.append("set optimiser.name to sgd, which keeps half as much")
    return ", or ".join(ways)


def saved_by(config: EngineConfig, facts: Mapping[str, str]) -> str:
    """What a run that went out of memory can do with less, in the environment that `facts` describe."""
    batch = f"{config.batch}" if config.batch is not None else f"the usual {config.usual_batch}"
    ways = [
        f"a smaller --batch than {batch}",
        f"--set accumulate={2 * config.accumulate}, which takes it in {2 * config.accumulate} parts",
    ]
    if config.chunk is None:
        ways.append("--set chunk=32, which reads so many samples at once and compares all")
    if facts["precision"] == "fp32" and not facts["device"].startswith("cpu "):
        ways.append("--set precision=bf16")
    if facts["world_size"] != "1" and facts["weights"] == "whole":
        ways.append("--set weights=parts")
    return f"{', '.join(ways)}, or a smaller encoder"


def _room(config: EngineConfig, processes: int) -> int | None:
    """Bytes of the smallest GPU that takes part; None on a CPU."""
    if config.device == "cpu" or not torch.cuda.is_available():
        return None
    count = min(processes, torch.cuda.device_count())
    return min(int(torch.cuda.get_device_properties(number).total_memory) for number in range(count))


def _bytes(module: nn.Module) -> int:
    return sum(parameter.nbytes for parameter in module.parameters())
