"""Views of texts: some of a text's tokens, as a batch of ids `[B, L]` with those that are left out marked invalid."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from tacit.config import Config
from tacit.core import Draws, View


class Recipe(Config):
    """What is left of a text in a view."""

    keep: Literal["halves", "span", "words", "all"] = Field(
        default="halves",
        description="halves: each word in one of two views; span: a run of words; words: each at random; all",
    )
    share: tuple[float, float] = Field(default=(0.3, 0.6), description="how much of a text a span or words keep")


def text_view(view: View, recipe: Recipe, draws: Draws) -> View:
    """The view that `recipe` describes; no text loses all of its words."""
    assert view.valid is not None
    if recipe.keep == "all":
        return view
    told = view.valid
    match recipe.keep:
        case "halves":
            # which half a word is in is the sample's own, so that the views divide its words between them
            left = told & ((draws.shared().uniform(shape=told.shape[1:]) < 0.5) ^ bool(draws.view % 2))
        case "span":
            left = told & _span(told, recipe.share, draws)
        case "words":
            share = draws.uniform(*recipe.share)[:, None]
            left = told & (draws.uniform(shape=told.shape[1:]) < share)
    return View(view.x, torch.where(left.any(dim=1, keepdim=True), left, told), view.where, view.index, view.vocabulary)


def _span(told: Tensor, share: tuple[float, float], draws: Draws) -> Tensor:
    """A run of places in each row: boolean `[B, L]`. Tokens stand at the left, padding behind them."""
    count = told.sum(dim=1)
    length = (draws.uniform(*share) * count).ceil().clamp_min(1)
    start = (draws.uniform() * (count - length + 1)).floor()
    place = torch.arange(told.shape[1], device=told.device)
    return (place >= start[:, None]) & (place < (start + length)[:, None])
