"""Muon: a step along the momentum, made orthogonal; AdamW for all that is no matrix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from tacit.engine.one_by_one import OneByOne

ROUNDS = 5
_A, _B, _C = 3.4445, -4.7750, 2.0315
"""Of the polynomial that Jordan et al. use: it brings singular values near 1 fast, not to it."""
_RMS = 0.2
"""About how large the entries of AdamW's steps are, in units of the rate (Liu et al. 2025, section 2.2)."""
_SECOND, _EPS = 0.999, 1e-8


class Muon(OneByOne):
    """Muon (Jordan et al. 2024, github.com/KellerJordan/Muon) for matrices, AdamW for all else, by one rate.

    Of groups with `matrices`, filters `[O, I, h, w]` read as `[O, I h w]`:
    m <- b m + (1 - b) g;  w <- (1 - lr decay) w - .2 lr sqrt(max(rows, columns)) orthogonal((1 - b) g + b m)
    The factor makes steps about as large as AdamW's, whose rates therefore fit (Liu et al. 2025, arXiv 2502.16982,
    eq. 4). Computed in single precision, on a GPU in bfloat16.
    """

    def __init__(self, params: Iterable[Any], lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        """`params`: groups, those of matrices with `matrices` true."""
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "matrices": False}
        super().__init__(params, defaults)

    def _move(self, weight: Tensor, slope: Tensor, group: dict[str, Any]) -> None:
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        move = self._turn if group["matrices"] else self._adapt
        move(weight, slope, group)

    def _turn(self, weight: Tensor, slope: Tensor, group: dict[str, Any]) -> None:
        momentum = self._kept(weight, "momentum_buffer")
        momentum.lerp_(slope, 1 - group["momentum"])
        ahead = slope.lerp(momentum, group["momentum"]).flatten(1)
        size = _RMS * group["lr"] * max(ahead.shape) ** 0.5
        weight.sub_(orthogonal(ahead).reshape(weight.shape).to(weight.dtype), alpha=size)

    def _adapt(self, weight: Tensor, slope: Tensor, group: dict[str, Any]) -> None:
        """AdamW's step (Kingma and Ba 2015, algorithm 1), the decay of the weights already done."""
        first, second = self._kept(weight, "exp_avg"), self._kept(weight, "exp_avg_sq")
        taken = self.state[weight].setdefault("step", torch.zeros(()))
        taken += 1
        first.lerp_(slope, 1 - group["momentum"])
        second.lerp_(slope.square(), 1 - _SECOND)
        number = float(taken)
        spread = (second / (1 - _SECOND**number)).sqrt_().add_(_EPS)
        weight.addcdiv_(first, spread, value=-group["lr"] / (1 - group["momentum"] ** number))


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearly U V' of `matrix [M, N]` = U S V', by five rounds of a Newton-Schulz iteration (bfloat16 on a GPU)."""
    wide = matrix.shape[0] <= matrix.shape[1]
    x = (matrix if wide else matrix.T).to(torch.bfloat16 if matrix.is_cuda else torch.float32)
    x = x / (x.norm() + 1e-7)
    for _ in range(ROUNDS):
        square = x @ x.T
        x = torch.addmm(_A * x, torch.addmm(_B * square, square, square, alpha=_C), x)
    return x if wide else x.T


def matrices_of(module: nn.Module) -> frozenset[int]:
    """The ids of the weights that multiply what comes in: of linear layers and convolutions, not tables of vectors."""
    layers = (nn.Linear, nn.modules.conv._ConvNd)
    return frozenset(id(part.weight) for part in module.modules() if isinstance(part, layers))
