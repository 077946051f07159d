"""Views of histories: some of the items that a user took, as a batch of ids `[B, L]`, the oldest first."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from tacit.augment.text import Recipe as Runs
from tacit.augment.text import text_view
from tacit.augment.tokens import kept, ordered, run
from tacit.config import Config
from tacit.core import Draws, View
from tacit.view import MASK


class Recipe(Config):
    """What is left of a history in a view, in this order (CL4SRec: Xie et al. 2022, arXiv 2010.14395, section 3.2)."""

    window: int = Field(default=50, ge=2, description="a run of at most so many items")
    crop: tuple[float, float] = Field(default=(1.0, 1.0), description="share of it that a run of neighbours keeps")
    reorder: float = Field(default=0.0, ge=0, le=1, description="share of it, a run of neighbours, put in any order")
    mask: float = Field(default=0.0, ge=0, lt=1, description="share of its items that are hidden")


def held_back(view: View, count: int) -> View:
    """The histories without the last `count` items of each."""
    assert view.valid is not None
    return kept(
        view, torch.arange(view.x.shape[1], device=view.x.device) < (view.valid.sum(dim=1, keepdim=True) - count)
    )


def before(view: View, place: int = 0) -> View:
    """What of the histories stands at places below `place`."""
    assert view.valid is not None
    assert view.where is not None
    return kept(view, view.valid & (view.where < place))


def latest(view: View, count: int) -> View:
    """The last `count` items of each history, at the left; the view is no longer than that."""
    assert view.valid is not None
    taken = view.valid.sum(dim=1)
    length = taken.clamp_max(count)
    return run(view, taken - length, length)


def items_view(view: View, recipe: Recipe, draws: Draws) -> View:
    """The view that `recipe` describes; no history loses all of its items."""
    view = text_view(view, Runs(keep="window", tokens=recipe.window), draws)
    if recipe.crop != (1.0, 1.0):
        view = text_view(view, Runs(keep="span", share=recipe.crop), draws)
    assert view.valid is not None
    valid = view.valid
    length = (recipe.reorder * valid.sum(dim=1)).long()
    start = (draws.uniform() * (valid.sum(dim=1) - length + 1)).long()
    drawn = draws.uniform(shape=(valid.shape[1], 2), ragged=True)
    if recipe.reorder:
        view = ordered(view, _shuffled(start, length, drawn[..., 0]))
    if not recipe.mask:
        return view
    hide = (drawn[..., 1] < recipe.mask) & valid
    return view.with_x(view.x.masked_fill(hide & (valid & ~hide).any(dim=1, keepdim=True), MASK))


def _shuffled(start: Tensor, length: Tensor, drawn: Tensor) -> Tensor:
    """Long `[B, L]`, from where each place gets its item: the `length [B]` places from `start [B]` on in the order of
    `drawn [B, L]`, all others from where they are."""
    place = torch.arange(drawn.shape[1], device=drawn.device).expand_as(drawn)
    run = (place >= start[:, None]) & (place < (start + length)[:, None])
    behind = place >= (start + length)[:, None]
    key = torch.where(run, start[:, None] + drawn, place.float() + behind)
    return key.argsort(dim=1, stable=True)
