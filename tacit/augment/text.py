"""Views of texts: some of a text's tokens, as a batch of ids `[B, L]` with those that are left out marked invalid."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from tacit.augment.tokens import run
from tacit.config import Config
from tacit.core import Draws, View


class Recipe(Config):
    """What is left of a text in a view."""

    keep: Literal["halves", "span", "window", "words", "all"] = Field(
        default="halves",
        description="halves: each word in one of two views; span: a run of a share of the words; window: a run of at "
        "most so many; words: each at random; all",
    )
    share: tuple[float, float] = Field(default=(0.3, 0.6), description="how much of a text a span or words keep")
    tokens: int = Field(default=128, ge=2, description="how many a window keeps at most")


def text_view(view: View, recipe: Recipe, draws: Draws) -> View:
    """The view that `recipe` describes; no text loses all of its words."""
    assert view.valid is not None
    if recipe.keep == "all":
        return view
    told, count = view.valid, view.valid.sum(dim=1)
    match recipe.keep:
        case "span":
            return _somewhere(view, (draws.uniform(*recipe.share) * count).ceil().clamp_min(1).long(), draws)
        case "window":
            return _somewhere(view, count.clamp_max(recipe.tokens), draws)
        case "halves":
            # which half a word is in is the sample's own, so that the views divide its words between them
            left = told & (draws.shared().coins(told.shape[1]) ^ bool(draws.view % 2))
        case "words":
            share = draws.uniform(*recipe.share)[:, None]
            left = told & (draws.uniform(shape=told.shape[1:], ragged=True) < share)
    return replace(view, valid=torch.where(left.any(dim=1, keepdim=True), left, told))


def _somewhere(view: View, length: Tensor, draws: Draws) -> View:
    """`length [B]` tokens of each text, one behind the other, from a random place on."""
    assert view.valid is not None
    return run(view, (draws.uniform() * (view.valid.sum(dim=1) - length + 1)).long(), length)
