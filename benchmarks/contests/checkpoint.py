"""How long the loop stands while a checkpoint is made: a transformer and its AdamW, written to a file."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from contests.contest import Contest, DisagreementError, Found, Side, Size

MOMENTS = ("exp_avg", "exp_avg_sq", "step")


def _trained(size: Size) -> tuple[Any, Any]:
    """A network and its optimiser behind a step."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    width = size["width"]
    network = nn.Sequential(*[nn.TransformerEncoderLayer(width, 6, 4 * width) for _ in range(size["layers"])])
    optimiser = torch.optim.AdamW(network.parameters())
    for parameter in network.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimiser.step()
    optimiser.zero_grad()
    return network, optimiser


def _tacit(size: Size) -> Callable[[], Callable[[], Found]]:
    from tacit.engine import checkpoint
    from tacit.engine.behind import Writer

    network, optimiser = _trained(size)
    names, writer = [name for name, _ in network.named_parameters()], Writer()

    def run() -> Callable[[], Found]:
        folder = Path(tempfile.mkdtemp())
        assert checkpoint.finite(network)  # as a run looks before it saves
        writer.save(folder, network, optimiser, {"step": 1})

        def found() -> Found:
            writer.settle()
            saved, _ = checkpoint.newest(folder)
            assert saved is not None
            held = saved.state().tensors
            told = {"weights": _digest(held[f"learner.{name}"] for name in names)}
            told |= {key: _digest(held[f"optimiser.{key}.{name}"] for name in names) for key in MOMENTS}
            shutil.rmtree(folder)
            return told

        return found

    return run


def _torch(size: Size) -> Callable[[], Callable[[], Found]]:
    import torch

    network, optimiser = _trained(size)
    names = [name for name, _ in network.named_parameters()]

    def run() -> Callable[[], Found]:
        folder = Path(tempfile.mkdtemp())
        torch.save({"network": network.state_dict(), "optimiser": optimiser.state_dict()}, folder / "checkpoint.pt")

        def found() -> Found:
            held = torch.load(folder / "checkpoint.pt", weights_only=True)
            moments = held["optimiser"]["state"]
            told = {"weights": _digest(held["network"][name] for name in names)}
            told |= {key: _digest(moments[at][key] for at in range(len(names))) for key in MOMENTS}
            shutil.rmtree(folder)
            return told

        return found

    return run


def _digest(tensors: Iterable[Any]) -> np.ndarray:
    """SHA-256 of what they hold, one after the other."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.numpy())
    return np.frombuffer(digest.digest(), np.uint8)


def _check(ours: Found, theirs: Found) -> str:
    for name in theirs:
        if not np.array_equal(ours[name], theirs[name]):
            raise DisagreementError(f"{name}: the two files do not hold the same numbers")
    return "every number is the same"


CONTEST = Contest(
    __name__,
    "checkpoint",
    "a checkpoint of {megabytes} MB, how long the loop of two threads stands",
    Side("tacit", "tacit", _tacit),
    (Side("torch.save", "torch", _torch),),
    {
        "full": {"layers": 12, "width": 384, "megabytes": 256},
        "tiny": {"layers": 1, "width": 12, "megabytes": 0},
    },
    _check,
    rounds=5,
    threads=2,  # as a run has on the smallest machine: a copy is made by all of them, a file by one
    settle=lambda found: found(),
)
