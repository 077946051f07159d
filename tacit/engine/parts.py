"""Learners that lie in parts: each process holds an equal part of every weight, its gradient and the optimiser's state.

By torch's FSDP2 (`fully_shard`): the weights of one block after the other are gathered for as long as it computes, the
others' when a step begins. Buffers, which methods move as they like, are whole everywhere.

What a run saves and looks at stays what it always was, a learner and an optimiser that are whole, here in the memory of
the CPU: they say where the parts begin, and are brought up to date before somebody reads them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from tacit import ranks
from tacit.core import Encoder, Evaluator, Learner, Method, Progress
from tacit.engine import optimiser
from tacit.engine.settings import EngineConfig

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def divide(module: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Leave of every parameter of `module` a part to each process of `mesh`, in place.

    Blocks of encoders are gathered one by one: an encoder runs the members of its lists and sequences by calling them.
    """
    for parameter in module.parameters():
        parameter.data = parameter.data.contiguous()  # FSDP2 knows no memory formats
    for block in list(_blocks(module, within=False)):
        fully_shard(block, mesh=mesh)
    fully_shard(module, mesh=mesh)
    return module


def _blocks(module: nn.Module, *, within: bool) -> Iterator[nn.Module]:
    """The members of the outermost lists and sequences of each encoder; `within`: whether `module` is part of one.

    Single layers are none: what is done in place to their output, as by ReLU, would be lost on FSDP2.
    """
    within = within or isinstance(module, Encoder)
    for child in module.children():
        if within and isinstance(module, (nn.ModuleList, nn.Sequential)) and not isinstance(child, nn.ModuleList):
            if next(child.children(), None) is not None and next(child.parameters(), None) is not None:
                yield child
        else:
            yield from _blocks(child, within=within)


class Parts:
    """The parts of a learner and of its optimiser, of which each process steps its own.

    A learner that hears what evaluators found would have to be told here, too; no method that is shared does.
    """

    def __init__(
        self,
        fabric: Fabric,
        learner: Method,
        whole: Optimizer,
        config: EngineConfig,
        wrapped: Callable[[Method], nn.Module],
    ) -> None:
        """Begin where `learner` and its optimiser `whole` stand, the same in all processes.

        `wrapped`: what makes of a learner the module that is called.
        """
        self._learner, self._whole, self.stale = learner, whole, False
        self.learner = copy.deepcopy(learner)
        self.module = fabric.setup_module(wrapped(self.learner))
        self._own = optimiser.build(config.optimiser, self.learner, learner.rates)
        with torch.no_grad():
            for parameter, part in self._pairs():
                state = whole.state.get(parameter, {})
                self._own.state[part].update({key: _part(value, part) for key, value in state.items()})
        self.stepper = fabric.setup_optimizers(self._own)
        if ranks.number():
            whole.state.clear()  # the first process alone saves

    def _pairs(self) -> Iterator[tuple[nn.Parameter, nn.Parameter]]:
        for wholes, parts in zip(self._whole.param_groups, self._own.param_groups, strict=True):
            yield from zip(wholes["params"], parts["params"], strict=True)

    @torch.no_grad()
    def collect(self) -> None:
        """Bring the whole learner up to date, and in the first process the whole optimiser: all processes together."""
        if not self.stale:
            return
        for held, part in zip(_tensors(self._learner), _tensors(self.learner), strict=True):
            held.copy_(_full(part))
        for parameter, part in self._pairs():
            # in one order: a state that was read from a file has another one than one that was received
            found = {key: _full(value) for key, value in sorted(self._own.state[part].items())}
            if ranks.number() == 0:
                _keep(self._whole.state[parameter], found, parameter)
        self.stale = False


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _full(value: Any) -> Any:
    """A tensor whose parts are gathered; anything else as it is."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def _part(value: Any, like: Tensor) -> Any:
    """This process's part of a tensor of the optimiser, of which all have all; a count of steps stays whole."""
    assert isinstance(like, DTensor)
    if not isinstance(value, Tensor) or value.shape != like.shape:
        return copy.deepcopy(value)
    own = value.to(like.device).contiguous()
    return distribute_tensor(own, like.device_mesh, like.placements, src_data_rank=None)


def _keep(held: dict[str, Any], found: dict[str, Any], like: Tensor) -> None:
    """Copy an optimiser's state of one parameter, in the memory format of that."""
    for key, value in found.items():
        if not isinstance(value, Tensor) or value.shape != like.shape:
            held[key] = copy.deepcopy(value)
            continue
        if key not in held:
            held[key] = torch.empty_like(like, dtype=value.dtype)
        held[key].copy_(value)


def near(evaluators: Sequence[Evaluator], device: torch.device) -> tuple[Evaluator, ...]:
    """The same evaluators, for a learner that lies in the CPU's memory: its encoder is on `device` while they look."""

    def on_device(evaluator: Evaluator) -> Evaluator:
        def look(learner: Learner, progress: Progress) -> Iterator[tuple[str, float]]:
            learner.encoder.to(device)
            yield from evaluator(learner, progress)
            learner.encoder.to("cpu")

        return look

    return tuple(on_device(evaluator) for evaluator in evaluators)
