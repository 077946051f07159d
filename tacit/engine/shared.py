"""How Fabric is told of the processes that share each batch."""

from __future__ import annotations

import inspect

import torch
from lightning_fabric.plugins.environments import ClusterEnvironment
from lightning_fabric.strategies import DDPStrategy, ModelParallelStrategy, ParallelStrategy
from torch.nn.parallel import DistributedDataParallel

from tacit.engine.crew import Crew

_NAMES = inspect.signature(DistributedDataParallel).parameters
_BUFFERS = "forward_sync_buffers" if "forward_sync_buffers" in _NAMES else "broadcast_buffers"
"""torch's name for what is not needed: BatchNorm's statistics are those of the whole batch, and `update` does the same
everywhere."""


def strategy(crew: Crew, kind: str, *, parts: bool = False) -> ParallelStrategy:
    """Gradients averaged over all processes, each on its own device; `kind` is cpu or cuda.

    `parts`: whether each holds a part of the weights (FSDP2), or all of them (DDP).
    """
    devices = [torch.device("cpu") if kind == "cpu" else torch.device(kind, at) for at in range(crew.size)]
    backend = "gloo" if kind == "cpu" else "cpu:gloo,cuda:nccl"
    if parts:
        from tacit.engine.parts import divide  # with FSDP2, which no other run has a use for

        found = ModelParallelStrategy(
            lambda module, mesh: divide(module, mesh["data_parallel"]),
            data_parallel_size=crew.size,
            tensor_parallel_size=1,
            process_group_backend=backend,
        )
        found.parallel_devices, found.cluster_environment = devices, _Local(crew)
        return found
    return DDPStrategy(
        parallel_devices=devices,
        cluster_environment=_Local(crew),
        process_group_backend=backend,
        gradient_as_bucket_view=True,  # else each gradient is held twice
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
