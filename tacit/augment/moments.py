"""Views of moments: frames moved and lit, vectors scaled, and the moment that comes next."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from pydantic import Field
from torch import Tensor

from tacit.config import Config
from tacit.core import Draws, View

Range = tuple[float, float]


class Recipe(Config):
    """How one kind of view is made; 0, or a range of nothing but 1, switches a part off."""

    shift: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="of frames: share of a side by which all of a moment move at most, their edges being repeated",
    )
    light: float = Field(
        default=0.0, ge=0, lt=0.5, description="of frames: deviation of the factor that all are multiplied by"
    )
    scale: Range = Field(
        default=(1.0, 1.0), description="of vectors: factors, one a number; keeps signs, loses how large they are"
    )


def moment_view(view: View, recipe: Recipe, draws: Draws) -> View:
    """The moment as `recipe` shows it, and what is observed later alike: frames `[B, K C, H, W]` in [0, 1], vectors
    `[B, K D]`.

    All frames of a moment move together, by whole pixels (Yarats et al. 2021, DrQ, arXiv 2004.13649; CURL's crops do
    the same), and are lit by one factor 1 + light min(max(n, -2), 2), n normal (Schwarzer et al. 2021, SPR, arXiv
    2007.05929). Numbers of vectors are scaled, each alike in all observations of a moment (Laskin et al. 2020, RAD,
    arXiv 2004.14990).
    """
    if recipe == Recipe():
        return view
    x, later = view.x, view.later
    seen = x if later is None else torch.cat([x, later.flatten(1, 2)], dim=1)
    if x.dim() == 4:
        if recipe.shift:
            seen = _moved(seen, recipe.shift, draws)
        if recipe.light:
            factor = 1 + recipe.light * draws.normal().clamp(-2, 2)
            seen = (seen * factor[:, None, None, None]).clamp(0, 1)
    elif recipe.scale != (1.0, 1.0):
        width = x.shape[1] if later is None else later.shape[2]
        factor = draws.uniform(math.log(recipe.scale[0]), math.log(recipe.scale[1]), (width,)).exp()
        seen = seen * factor.repeat(1, seen.shape[1] // width)
    if later is None:
        return view.with_x(seen)
    now, after = seen[:, : x.shape[1]], seen[:, x.shape[1] :]
    return replace(view, x=now, later=after.view_as(later))


def next_view(view: View, recipe: Recipe, draws: Draws) -> View:
    """The moment N steps later, shown as `recipe` says."""
    assert view.later is not None, "samples of moments say what comes next"
    return moment_view(view.after(view.later.shape[1]), recipe, draws)


def _moved(x: Tensor, share: float, draws: Draws) -> Tensor:
    """Each sample of `x [B, C, H, W]` moved by up to `share` of its sides, in whole pixels."""
    places = []
    for side in x.shape[2:]:
        most = round(share * side)
        by = draws.integers(2 * most + 1) - most
        places.append((torch.arange(side, device=x.device) + by[:, None]).clamp(0, side - 1))
    rows, columns = places
    x = x.gather(2, rows[:, None, :, None].expand_as(x))
    return x.gather(3, columns[:, None, None, :].expand_as(x))
