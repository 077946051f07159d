"""How far predicted masks agree with true ones: intersection over union, accuracy.

K classes. A tally `[..., 3, K]` counts cells of each class: right, in the truth, in the prediction. Tallies of samples
add up to those of a set.
"""

from __future__ import annotations

import torch
from torch import Tensor

VOID = 255
"""What stands in a mask where nothing is known: such cells are neither learnt nor judged."""


def tally(predicted: Tensor, truth: Tensor, classes: int) -> Tensor:
    """The tally of each of B samples, long `[B, 3, K]`; `predicted` and `truth [B, H, W]` are whole numbers.

    Cells whose truth is no class (void) are left out.
    """
    B = len(truth)
    said, meant = predicted.flatten(1).long(), truth.flatten(1).long()
    known = meant < classes
    place = torch.arange(B, device=truth.device)[:, None] * classes
    picked = (meant[known & (said == meant)], meant[known], said[known])
    owners = (place.expand_as(meant)[each] for each in (known & (said == meant), known, known))
    counted = [
        torch.bincount(owner + each, minlength=B * classes).view(B, classes)
        for owner, each in zip(owners, picked, strict=True)
    ]
    return torch.stack(counted, dim=1)


def iou(tallies: Tensor) -> Tensor:
    """Intersection over union of each class, float64 `[..., K]`; NaN for classes that the truth does not hold."""
    right, meant, said = tallies.double().unbind(-2)
    return torch.where(meant > 0, right / (meant + said - right), torch.nan)


def mean_iou(tallies: Tensor) -> Tensor:
    """The mean over the classes that the truth holds, float64 `[...]`; NaN where it holds none."""
    return iou(tallies).nanmean(-1)


def accuracy(tallies: Tensor) -> Tensor:
    """The share of cells that are right, float64 `[...]`."""
    right, meant, _ = tallies.double().sum(-1).unbind(-1)
    return right / meant


def weighted(weights: Tensor, tallies: Tensor) -> Tensor:
    """Tallies `[R, 3, K]` of resamples, from those of M samples `[M, 3, K]` and how often each counts, `[R, M]`."""
    return torch.unflatten(weights @ tallies.flatten(1).to(weights.dtype), 1, tallies.shape[1:])
