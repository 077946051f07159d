"""Muon: a step along the momentum, made orthogonal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from tacit.engine.muon import orthogonal
from tacit.engine.one_by_one import OneByOne


class Muon(OneByOne):
    """Muon (Jordan et al. 2024, github.com/KellerJordan/Muon), filters `[O, I, h, w]` read as matrices `[O, I h w]`.

    m <- .95 m + g;  w <- (1 - lr decay) w - lr sqrt(max(1, rows / columns)) orthogonal(g + .95 m)
    `lr` is a tensor that the steps read, so that they can be replayed as a CUDA graph.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: Tensor, weight_decay: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    def _move(self, weight: Tensor, slope: Tensor, group: dict[str, Any]) -> None:
        momentum = self._kept(weight, "momentum")
        momentum.lerp_(slope, 1 - group["momentum"])
        ahead = slope.lerp(momentum, group["momentum"])
        matrix = ahead.reshape(len(ahead), -1)
        turned = orthogonal(matrix) * max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.sub_(group["lr"] * turned.view(weight.shape).to(weight.dtype))
