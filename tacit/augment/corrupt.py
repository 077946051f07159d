"""Images spoilt, for a network to mend."""

from __future__ import annotations

from dataclasses import replace

import torch

from tacit.core import Draws, View

NOISE = 0.25
"""Standard deviation of the noise, the side of [0, 1] being one."""
HOLE = 0.5
"""Side of a hole as a fraction of the image's."""
LUMA = (0.299, 0.587, 0.114)


def noisy(view: View, draws: Draws) -> View:
    """Gaussian noise on every value (Vincent et al. 2010, section 4.2)."""
    return view.with_x(view.x + NOISE * draws.normal(view.x.shape[1:]))


def holed(view: View, draws: Draws) -> View:
    """A block of `HOLE` times each side, at a random place, is replaced by the mean of the rest of its image.

    The lost cells are False in `valid [B, H W]` (Pathak et al. 2016, section 3.3, whose block is in the centre).
    """
    B, _, H, W = view.x.shape
    inside = []
    for size in (H, W):
        side = max(1, round(HOLE * size))
        start = (draws.uniform() * (size - side + 1)).long()[:, None]
        at = torch.arange(size, device=view.x.device)
        inside.append((at >= start) & (at < start + side))
    kept = ~(inside[0][:, None, :, None] & inside[1][:, None, None, :])
    mean = (view.x * kept).sum((2, 3), keepdim=True) / kept.sum((2, 3), keepdim=True)
    return replace(view, x=torch.where(kept, view.x, mean), valid=kept.view(B, H * W))


def grey(view: View, draws: Draws) -> View:
    """Lightness in all three channels of RGB; other numbers of channels have no colour to lose."""
    if view.x.shape[1] != 3:
        return view
    luma = torch.einsum("c,bchw->bhw", view.x.new_tensor(LUMA), view.x)
    return view.with_x(luma[:, None].expand_as(view.x))
