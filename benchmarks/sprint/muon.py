"""Muon: a step along the momentum, made orthogonal."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tacit.engine.muon import orthogonal


class Muon(Optimizer):
    """Muon (Jordan et al. 2024, github.com/KellerJordan/Muon), filters `[O, I, h, w]` read as matrices `[O, I h w]`.

    m <- .95 m + g;  w <- (1 - lr decay) w - lr sqrt(max(1, rows / columns)) orthogonal(g + .95 m)
    `lr` is a tensor that the steps read, so that they can be replayed as a CUDA graph.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: Tensor, weight_decay: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step."""
        for group in self.param_groups:
            for weight in (each for each in group["params"] if each.grad is not None):
                slope = weight.grad
                momentum = self.state[weight].setdefault("momentum", torch.zeros_like(slope))
                momentum.lerp_(slope, 1 - group["momentum"])
                ahead = slope.lerp(momentum, group["momentum"])
                matrix = ahead.reshape(len(ahead), -1)
                turned = orthogonal(matrix) * max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(group["lr"] * turned.view(weight.shape).to(weight.dtype))
