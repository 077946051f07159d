"""Optimisers: parameter groups, LARS, and the learning rate as a function of progress."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from tacit.core import Progress
from tacit.engine.muon import Muon, matrices_of
from tacit.engine.one_by_one import OneByOne
from tacit.engine.settings import Optimiser
from tacit.schedule import warmup_cosine


class LARS(OneByOne):
    """Layer-wise adaptive rate scaling (You, Gitman and Ginsburg 2017, arXiv 1708.03888, algorithm 1).

    v <- m v + lr * trust * |w| / (|g| + decay |w|) * (g + decay w);  w <- w - v.
    One-dimensional parameters are spared the scaling, as is usual since SimCLR.
    """

    def __init__(
        self, params: Iterable[Any], lr: float, momentum: float = 0.9, weight_decay: float = 0.0, trust: float = 1e-3
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust}
        super().__init__(params, defaults)

    def _move(self, weight: Tensor, slope: Tensor, group: dict[str, Any]) -> None:
        velocity = self._kept(weight, "momentum_buffer")
        direction = slope + group["weight_decay"] * weight
        if weight.ndim > 1:
            size, steepness = weight.norm(), slope.norm()
            ratio = group["trust"] * size / (steepness + group["weight_decay"] * size)
            # where either norm is 0 the ratio says nothing, and the plain rate is used
            direction = direction * torch.where((size > 0) & (steepness > 0), ratio, torch.ones_like(ratio))
        velocity.mul_(group["momentum"]).add_(direction, alpha=group["lr"])
        weight.sub_(velocity)


def build(config: Optimiser, module: nn.Module, rates: Mapping[str, float] | None = None) -> Optimizer:
    """The optimiser of the trainable parameters of `module`; `rates` as in `Method.rates`."""
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    matrices = matrices_of(module) if config.name == "muon" else frozenset()
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            factor = next((rate for start, rate in (rates or {}).items() if name.startswith(start)), 1.0)
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((factor, decay, id(parameter) in matrices), []).append(parameter)
    settings = [
        {"params": parameters, "weight_decay": decay, "factor": factor, "matrices": turned}
        for (factor, decay, turned), parameters in groups.items()
    ]
    return _of(config, settings)


def _of(config: Optimiser, groups: list[dict[str, Any]]) -> Optimizer:
    if config.name == "adamw":
        fused = all(parameter.device.type == "cpu" for group in groups for parameter in group["params"])
        # one pass over memory: on a CPU several times faster. On a GPU it is the default that is
        return AdamW(groups, lr=config.lr, betas=(config.momentum, 0.999), fused=fused or None)
    if config.name == "sgd":
        return SGD(groups, lr=config.lr, momentum=config.momentum)
    if config.name == "muon":
        return Muon(groups, lr=config.lr, momentum=config.momentum)
    return LARS(groups, lr=config.lr, momentum=config.momentum)


def learning_rate(config: Optimiser, progress: Progress) -> float:
    """The rate of the step that starts at `progress`."""
    return config.lr * warmup_cosine(progress, config.warmup)


def set_learning_rate(optimiser: Optimizer, rate: float) -> None:
    """Give all parameters the rate `rate`, times the factor of their group."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]
