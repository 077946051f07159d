"""Trajectories of reinforcement learning: what tacit knows about them, on one page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Literal

from pydantic import Field

from tacit.augment.kinds import by_kind, recipes_of
from tacit.augment.moments import Recipe, moment_view, next_view
from tacit.config import Config
from tacit.core import Augmentation, Draws, Modality, Pieces, Raw, View
from tacit.modalities import acting, episodes
from tacit.modalities.moments import MomentLayout, collate, cut, read, survey
from tacit.nn.convnet import ConvNet, ResNet18, Timm
from tacit.nn.nature import Nature, Perceptron
from tacit.nn.transformer import Transformer

_STRONG = Recipe(shift=0.05, light=0.05, scale=(0.8, 1.25))
_MOVED = Recipe(shift=0.05).model_dump(mode="json")
_STILL = Recipe().model_dump(mode="json")
_AS_THEY_ARE = {"modality": {"next": _STILL}}
"""What comes next is shown as it is, as the moment is."""


class TrajectoriesConfig(Config):
    """How moments of episodes are packed and viewed."""

    name: Literal["trajectories"] = "trajectories"
    size: int | None = Field(
        default=None, ge=8, le=1024, description="side of frames in pixels; by default as they are, square or not"
    )
    frames: int | None = Field(
        default=None, ge=1, le=64, description="observations that a moment holds; 4 of frames, 1 of vectors"
    )
    ahead: int = Field(default=1, ge=1, le=64, description="steps to the later moment that `next` shows")
    actions: int | None = Field(
        default=None, ge=1, le=65_536, description="choices there are; by default the largest that was taken, and one"
    )
    weak: Recipe = Recipe(shift=0.05, scale=(0.95, 1.05))
    strong: Recipe = _STRONG
    next: Recipe = _STRONG


def _survey(raws: Iterable[Raw], config: TrajectoriesConfig) -> MomentLayout:
    return survey(raws, size=config.size, stack=config.frames, ahead=config.ahead, choices=config.actions)


def _augment(config: TrajectoriesConfig) -> Mapping[str, Augmentation]:
    recipes = recipes_of(config)
    later = recipes.pop("next")
    return {**by_kind({"plain": Recipe(), **recipes}, moment_view), "next": partial(_next, recipe=later)}


def _next(view: View, draws: Draws, recipe: Recipe) -> View:
    return next_view(view, recipe, draws)


TRAJECTORIES = Modality(
    name="trajectories",
    unit="moments",
    config=TrajectoriesConfig,
    layout=MomentLayout,
    suffixes=episodes.SUFFIXES,
    survey=_survey,
    surveyed=64,
    read=read,
    pieces=Pieces(cut, "frames", lambda _: {}, whole="episodes"),
    collate=collate,
    augment=_augment,
    encoders={
        "nature": Nature,
        "mlp": Perceptron,
        "convnet": ConvNet,
        "resnet18": ResNet18,
        "timm": Timm,
        "transformer": Transformer,
    },
    suited=acting.suited,
    floors={"raw values": acting.raw_values},
    rivals={"PCA": acting.principal},
    moments=True,
    tasks=("state",),
    recipes={
        "st-dim": _AS_THEY_ARE,
        "inverse-dynamics": _AS_THEY_ARE,
        "forward-model": _AS_THEY_ARE,
        "rnd": _AS_THEY_ARE,
        # each step more makes a packed moment a frame larger; frames that are moved say no longer where things are
        "spr": {"modality": {"ahead": 3, "strong": _STILL}},
        "simclr": {"method": {"local": 0}, "optimiser": {"lr": 1e-3}},
        "masked-prediction": {"method": {"share": 0.6, "changed": 0.0, "kept": 0.0, "each": True}},
    },
    presets={
        # Schwarzer et al. 2021, table 3 and section 2.3, with augmentation: the target is the encoder itself
        "spr": {
            "paper": {
                "method": {"momentum": 0.0},
                "modality": {"ahead": 5, "strong": _STRONG.model_dump(mode="json")},
                "optimiser": {"lr": 1e-4, "weight_decay": 0.0},
                "batch": 32,
            },
        },
        "moco": {
            # Laskin et al. 2020, arXiv 2004.04136, on crops that move by up to 8 of 100 pixels; cosines and a queue
            # stand for its bilinear product and the batch
            "curl": {
                "method": {"momentum": 0.95, "queue": 1024},
                "modality": {"strong": {"shift": 0.08, "light": 0.0, "scale": [1.0, 1.0]}},
                "optimiser": {"lr": 1e-3},
                "usual_batch": 128,
            },
            # Stooke et al. 2021, arXiv 2009.08319: the key is of 3 steps later, both are moved by up to 4 of 84 pixels
            "atc": {
                "method": {"momentum": 0.99, "queue": 1024, "positive": "next"},
                "modality": {"ahead": 3, "strong": _MOVED, "next": _MOVED},
                "optimiser": {"lr": 1e-3},
            },
        },
    },
    picture=acting.picture,
    facts=acting.facts,
)
