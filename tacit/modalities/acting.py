"""What is known of moments without learning: their values, their principal components, facts, and how they look."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.core import Raw, Samples, View
from tacit.errors import UsageError
from tacit.evaluation.features import watched_rows
from tacit.modalities.episodes import decode

SIDE = 21
"""Side to which frames are brought where their values are read as they are."""
FITTED, COMPONENTS, FITTED_SIDE = 1000, 128, 84
"""Moments that principal components are found on, how many there are, and the side of their frames at most."""


def suited(raw: Raw) -> str:
    """The encoder that reads such observations: `nature` frames, `mlp` vectors. Raises `Unreadable`."""
    return "nature" if decode(raw).frames else "mlp"


def raw_values(view: View) -> Tensor:
    """Vectors as they are; frames at 21 pixels a side, or as they are where they are smaller: `[B, D]`."""
    return _shrunk(view.x, SIDE).flatten(1)


def principal(samples: Samples) -> Callable[[View], Tensor]:
    """The first 128 principal components of the values of 1,000 of the moments; features `[B, 128]` of any."""
    x = _shrunk(samples.view(watched_rows(samples, FITTED)).x, FITTED_SIDE).flatten(1)
    mean = x.mean(dim=0)
    centred = x - mean
    blocks = [block.double() for block in torch.split(centred, 4096, dim=1)]
    sizes, axes = torch.linalg.eigh(sum((block @ block.T for block in blocks), torch.zeros(1)))
    sizes, axes = sizes.flip(0)[:COMPONENTS], axes.flip(1)[:, :COMPONENTS]  # of moments, which are fewer than pixels
    known = max(1, int((sizes > 1e-10 * sizes[0]).sum()))
    turn = (axes / sizes.sqrt())[:, :known].T
    kept = torch.cat([turn @ block for block in blocks], dim=1).float()

    def features(view: View) -> Tensor:
        found: Tensor = (_shrunk(view.x, FITTED_SIDE).flatten(1) - mean) @ kept.T
        return found

    return features


def _shrunk(x: Tensor, side: int) -> Tensor:
    if x.dim() == 2:
        return x
    height, width = x.shape[2:]
    return F.adaptive_avg_pool2d(x, (min(side, height), min(side, width)))


def picture(view: View) -> np.ndarray:
    """The last frame of each moment. Raises `UsageError` for vectors."""
    if view.x.dim() != 4:
        raise UsageError("observations that are vectors cannot be drawn; those of frames can")
    stacked = view.x.detach().float().cpu().clamp(0, 1)
    channels = stacked.shape[1] if view.later is None else view.later.shape[2]
    last = stacked[:, -channels:]
    colour = last[:, -3:] if channels % 3 == 0 else last[:, -1:].expand(-1, 3, -1, -1)
    return (colour * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def facts(raw: Raw) -> Mapping[str, str | float]:
    """What is observed and done, for how many steps, and what came of it. Raises `Unreadable`."""
    found = decode(raw)
    shape = " x ".join(map(str, found.observations.shape[1:]))
    if found.actions is None:
        acted = "none"
    elif found.actions.ndim == 1:
        acted = "choices"
    else:
        acted = f"{found.actions.shape[1]} numbers"
    return {
        "observed": f"{'frames' if found.frames else 'vectors'} of {shape}",
        "actions": acted,
        "length": float(len(found.observations)),
        "return": float(found.rewards.sum()) if found.rewards is not None else 0.0,
    }
