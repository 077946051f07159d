"""How Fabric is told of the processes that share each batch."""

from __future__ import annotations

import inspect

import torch
from lightning_fabric.plugins.environments import ClusterEnvironment
from lightning_fabric.strategies import DDPStrategy
from torch.nn.parallel import DistributedDataParallel

from tacit.engine.crew import Crew

_NAMES = inspect.signature(DistributedDataParallel).parameters
_BUFFERS = "forward_sync_buffers" if "forward_sync_buffers" in _NAMES else "broadcast_buffers"
"""torch's name for what is not needed: BatchNorm's statistics are those of the whole batch, and `update` does the same
everywhere."""


def strategy(crew: Crew, kind: str) -> DDPStrategy:
    """Gradients averaged over all processes, each on its own device; `kind` is cpu or cuda."""
    devices = [torch.device("cpu") if kind == "cpu" else torch.device(kind, at) for at in range(crew.size)]
    return DDPStrategy(
        parallel_devices=devices,
        cluster_environment=_Local(crew),
        process_group_backend="gloo" if kind == "cpu" else "cpu:gloo,cuda:nccl",
        **{_BUFFERS: False},
    )


class _Local(ClusterEnvironment):  # type: ignore[misc]
    """Processes of this machine that were started already."""

    creates_processes_externally = True
    main_address = "127.0.0.1"

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        super().__init__()

    @staticmethod
    def detect() -> bool:
        return False

    @property
    def main_port(self) -> int:
        return self._crew.port

    def world_size(self) -> int:
        return self._crew.size

    def set_world_size(self, size: int) -> None:
        """It is known already."""

    def global_rank(self) -> int:
        return self._crew.rank

    def set_global_rank(self, rank: int) -> None:
        """It is known already."""

    def local_rank(self) -> int:
        return self._crew.rank

    def node_rank(self) -> int:
        return 0
