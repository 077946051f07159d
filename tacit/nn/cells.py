"""The places of a view: what an encoder makes of each, and which place of another view shows the same."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.core import Encoder, Features, View

NEAR = 0.5
"""How far the middles of two cells that are a pair may be apart, in sizes of the larger one: if one's middle lies
within the other, they are no further."""


@dataclass(frozen=True, eq=False)
class Cells:
    """L places of a view: cells of a grid, or tokens along time."""

    x: Tensor
    """`[B, L, D]`, what is said of each."""
    where: Tensor
    """Float `[B, L, k]`, where its middle lies in the original sample."""
    size: Tensor
    """Float `[B]`, how long a cell is in the original sample: from middle to middle, of a grid the diagonal."""
    valid: Tensor
    """Boolean `[B, L]`, False on padding."""


def cells_of(features: Features, view: View) -> Cells | None:
    """The cells of the coarsest maps of `view`, or its tokens along time; None where nothing says where they lie."""
    if features.maps and view.where is not None:
        return _of_maps(features.maps[max(features.maps)], view.where, view.x.shape[2:])
    if features.tokens is None or features.valid is None or features.where is None:
        return None
    valid, where = features.valid, features.where
    first, last = where.masked_fill(~valid, torch.inf).amin(dim=1), where.masked_fill(~valid, -torch.inf).amax(dim=1)
    size = (last - first) / (valid.sum(dim=1) - 1).clamp_min(1)
    return Cells(features.tokens, where[..., None], size, valid)


def width_of_cells(encoder: Encoder, sample: View) -> int | None:
    """D of the cells that `encoder` gives of views like `sample`; None where it does not say where they lie."""
    training = encoder.training
    with torch.no_grad():
        seen = encoder.eval()(sample[:2])
    encoder.train(training)
    if seen.maps:
        return seen.maps[max(seen.maps)].shape[1]
    return None if seen.tokens is None or seen.valid is None or seen.where is None else seen.tokens.shape[2]


def _of_maps(last: Tensor, where: Tensor, sides: torch.Size) -> Cells:
    """Of maps `[B, D, h, w]` of views of H by W pixels, `sides`, each of which lies at `where [B, H W, 2]`."""
    pixels = where.view(len(where), *sides, 2)
    middles = F.adaptive_avg_pool2d(pixels.permute(0, 3, 1, 2), (last.shape[2], last.shape[3]))
    # a view is an affine picture of its sample: all its pixels are of one size
    down, across = (
        (pixels[:, -1, -1] - beside).norm(dim=1) / (side - 1) * (side / cells)
        for beside, side, cells in zip((pixels[:, 0, -1], pixels[:, -1, 0]), sides, last.shape[2:], strict=True)
    )
    x, middles = (each.flatten(2).transpose(1, 2) for each in (last, middles))
    return Cells(x, middles, torch.hypot(down, across), torch.ones_like(x[..., 0], dtype=torch.bool))


def partners(first: Cells, second: Cells) -> tuple[Tensor, Tensor]:
    """The cell of `second` that lies nearest to each of `first`, long `[B, L]`, and whether the two show the same
    place, boolean `[B, L]` (see `NEAR`)."""
    apart = torch.cdist(first.where, second.where)
    apart = apart.masked_fill(~(first.valid[:, :, None] & second.valid[:, None]), torch.inf)
    near, which = apart.min(dim=2)
    return which, near <= NEAR * torch.maximum(first.size, second.size)[:, None]
