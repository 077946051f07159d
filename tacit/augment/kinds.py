"""From recipes to views by kind, for every modality alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from tacit.config import Config
from tacit.core import KINDS, Augmentation, Draws, View

R = TypeVar("R")


def by_kind(recipes: Mapping[str, R], apply: Callable[[View, R, Draws], View]) -> Mapping[str, Augmentation]:
    """Kind of view -> augmentation: `recipes` by kind, as `apply` follows them, and `plain`, which changes nothing."""
    return {"plain": _plain, **{kind: partial(_follow, recipe=recipe, apply=apply) for kind, recipe in recipes.items()}}


def recipes_of(config: Config) -> dict[str, Any]:
    """Kind of view -> its recipe: those settings of a modality that are called as a kind is."""
    named = {field.alias or name: name for name, field in type(config).model_fields.items()}
    return {kind: getattr(config, name) for kind, name in named.items() if kind in KINDS}


def _plain(view: View, draws: Draws) -> View:
    return view


def _follow(view: View, draws: Draws, recipe: R, apply: Callable[[View, R, Draws], View]) -> View:
    return apply(view, recipe, draws)
