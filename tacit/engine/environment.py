"""Where a run happens: device, precision and threads, which its bits depend on."""

from __future__ import annotations

import logging
import platform
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

import torch

from tacit import ranks
from tacit.engine.crew import ALONE, Crew
from tacit.engine.settings import EngineConfig
from tacit.errors import UsageError
from tacit.processors import allotted

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_HOW = {
    "torch": "install torch {then}",
    "tacit": "install tacit {then}",
    "threads": "set threads to {then}",
    "precision": "set precision to {then}",
    "device": "go back to that device",
    "world_size": "use that number of devices",
    "weights": "set weights to {then}",
}
"""What has to be equal for equal bits, and how to get it back."""
WHOLE = "whole"


def computes_bf16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16, without which it is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@contextmanager
def environment(
    config: EngineConfig, precision: str, crew: Crew = ALONE, *, weights: str = WHOLE
) -> Iterator[tuple[Fabric, dict[str, str]]]:
    """Fabric on the configured device in `precision` (`auto`, `fp32`, `bf16`), and the facts that bits depend on.

    With a `crew` of several it is joined, each of its processes having a GPU, or its share of the cores, for itself,
    and `weights` as `footprint.Placing` has them.
    The process's threads and random numbers are left as they were found.
    Raises `UsageError` where the device is not there.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("device cuda was asked for, but torch sees no GPU: set device to cpu or auto")
    kind = "cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu"
    if kind == "cuda" and torch.cuda.device_count() < crew.size:
        raise UsageError(
            f"{crew.size} devices were asked for, and torch sees {torch.cuda.device_count()} GPUs: give --devices "
            f"{torch.cuda.device_count()}, or set device to cpu"
        )
    device = torch.device(kind, crew.rank) if kind == "cuda" else torch.device(kind)
    bf16 = precision == "bf16" or (precision == "auto" and computes_bf16(device))
    threads, cudnn = torch.get_num_threads(), (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark)
    with torch.random.fork_rng(devices=[crew.rank] if kind == "cuda" else []):
        torch.set_num_threads(config.threads or max(1, min(threads, allotted()) // crew.size))
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
        try:
            fabric = _fabric(kind, "bf16-mixed" if bf16 else "32-true", crew, weights)
            yield fabric, _facts(fabric, "bf16" if bf16 else "fp32") | {"weights": weights}
            if crew.size > 1:  # after a failure `crew.hired` does, once the others are gone: NCCL would wait for them
                ranks.leave()
        finally:
            torch.set_num_threads(threads)
            torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn


def _fabric(kind: str, precision: str, crew: Crew, weights: str) -> Fabric:
    from lightning_fabric import Fabric  # takes as long as torch itself, and only what trains has a use for it

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it greets on stderr
    with warnings.catch_warnings():
        # a GPU that the user chose not to use, or a cluster's variables, are no news to them
        warnings.filterwarnings("ignore", module="lightning_fabric")
        if crew.size == 1:
            return Fabric(accelerator=kind, devices=1, precision=precision)
        from tacit.engine.shared import strategy

        shared = strategy(crew, kind, parts=weights != WHOLE)
        fabric = Fabric(accelerator=kind, devices=crew.size, strategy=shared, precision=precision)
        fabric.launch()
        return fabric


def _facts(fabric: Fabric, precision: str) -> dict[str, str]:
    on_gpu = fabric.device.type == "cuda"
    cpu = f"cpu {platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return {
        "torch": torch.__version__,
        "tacit": version("tacit"),
        "python": platform.python_version(),
        "threads": str(torch.get_num_threads()),
        "device": torch.cuda.get_device_name(fabric.device) if on_gpu else cpu,
        "precision": precision,
        "world_size": str(fabric.world_size),
    }


def changes(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What differs between two environments in a way that changes bits, a line each, with the way back."""
    then = {"weights": WHOLE, **then}  # runs that are older than parts do not say so
    return [
        f"{name}: {then[name]} then, {now[name]} now; {how.format(then=then[name])}"
        for name, how in _HOW.items()
        if then[name] != now[name]
    ]
