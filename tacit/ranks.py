"""One batch in several processes: what a loss needs of the samples that the others hold.

Each process (rank) holds one part of every batch, in order. Its own samples' losses are what it minimises, and the
engine averages gradients over processes; so that all together follow the mean loss of the whole batch, whatever those
losses exchanged, as one process with all samples would. Where there is one process, each function gives back what it
was given.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch import distributed as dist
from torch.autograd.function import FunctionCtx
from torch.overrides import TorchFunctionMode


def count() -> int:
    """How many processes share a batch."""
    return dist.get_world_size() if dist.is_initialized() else 1


def number() -> int:
    """Which of them this one is, from 0 on."""
    return dist.get_rank() if dist.is_initialized() else 0


def leave() -> None:
    """Be one process alone from here on."""
    if dist.is_initialized():
        dist.destroy_process_group()


def gathered(x: Tensor, dim: int = 0) -> tuple[Tensor, slice]:
    """`x` of all processes side by side along `dim`, with gradients, and where this process's own part stands there.

    They may differ in how long they are along `dim`, and in nothing else.
    """
    own = x.shape[dim]
    if count() == 1:
        return x, slice(0, own)
    sizes = [torch.zeros(1, dtype=torch.long) for _ in range(count())]
    dist.all_gather(sizes, torch.tensor([own]))  # on the CPU: reading them does not wait for the device
    each = [int(size) for size in sizes]
    x = x.transpose(0, dim)
    parts = _Gather.apply(torch.cat([x, x.new_zeros(max(each) - own, *x.shape[1:])]))
    whole = torch.cat([part[:size] for part, size in zip(parts, each, strict=True)])
    start = sum(each[: number()])
    return whole.transpose(0, dim), slice(start, start + own)


def summed(x: Tensor) -> Tensor:
    """The sum of `x` over all processes, with gradients."""
    if count() == 1:
        return x
    total: Tensor = _Sum.apply(x)
    return total


def most(value: int) -> int:
    """The largest `value` that a process gives."""
    if count() == 1:
        return value
    return int(gathered(torch.tensor([value]))[0].max())


def agreed(x: Tensor) -> Tensor:
    """What the first process gives: for numbers that are drawn for all of the batch."""
    if count() > 1:
        x = x.contiguous()  # of others gloo sends what lies in between
        dist.broadcast(x, 0)
    return x


def told(data: bytes) -> bytes:
    """The bytes that the first process gives."""
    if count() == 1:
        return data
    size = agreed(torch.tensor([len(data)]))
    held = torch.empty(int(size), dtype=torch.uint8)
    if number() == 0:
        held = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    return agreed(held).numpy().tobytes()


class _Gather(torch.autograd.Function):
    """`[N, ...]` -> `[W, N, ...]`. What another process's loss asks of one's own part is added to its gradient."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        x = x.contiguous()
        sent = x.to(torch.uint8) if x.dtype == torch.bool else x
        parts = [torch.empty_like(sent) for _ in range(count())]
        dist.all_gather(parts, sent)
        return torch.stack(parts).to(x.dtype)

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> Tensor:
        grad = grad.contiguous()
        dist.all_reduce(grad)
        return grad[number()]


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        total = x.contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> Tensor:
        total = grad.contiguous().clone()
        dist.all_reduce(total)
        return total


class WholeBatch(TorchFunctionMode):
    """Inside the block BatchNorm takes its statistics from the whole batch.

    Whatever the module's class: torch's own synchronised BatchNorm is for GPUs, and knows no subclasses of others.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.batch_norm:
            return _batch_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _batch_norm(
    input: Tensor,  # torch's name, which callers may use
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`F.batch_norm` of the whole batch."""
    if not training:
        return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    x = input if input.dtype == torch.float64 else input.float()
    others = [dim for dim in range(x.dim()) if dim != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    own = x.new_full((1,), x.numel() / max(1, x.shape[1]))
    total = summed(torch.cat([x.sum(dim=others), own]))
    mean, n = total[:-1] / total[-1], total[-1]
    about = x - mean.view(shape)
    variance = summed(about.square().sum(dim=others)) / n
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((variance * n / (n - 1)).to(running_var.dtype), momentum)
    out: Tensor = about * (variance + eps).rsqrt().view(shape)
    if weight is not None:
        out = out * weight.view(shape)
    if bias is not None:
        out = out + bias.view(shape)
    return out.to(input.dtype)
