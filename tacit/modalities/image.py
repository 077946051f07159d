"""Images: what tacit knows about them, on one page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from tacit.augment.image import Recipe, image_view, quarter_turn
from tacit.config import Config
from tacit.core import Augmentation, Draws, Modality, Raw, View
from tacit.modalities.pictures import SUFFIXES, ImageLayout, read, survey
from tacit.modalities.pixels import Frame, kept
from tacit.nn.convnet import ConvNet, ResNet18, Timm
from tacit.nn.patches import PatchEncoder

_COLOUR = Recipe(jitter=0.8, strength=0.4, grey=0.1)


class ImageConfig(Config):
    """How images are stored and viewed. The recipes are for small data; papers' own are presets of their methods."""

    name: Literal["image"] = "image"
    size: int | None = Field(default=None, ge=8, le=1024, description="side in pixels; by default from the data, to 96")
    channels: int | None = Field(default=None, ge=1, le=64, description="by default from the data")
    frame: Frame = Field(default="crop", description="keep the central square (crop), or all, stretched (stretch)")
    weak: Recipe = Recipe(crop=(0.6, 1.0))
    strong: Recipe = _COLOUR
    global_: Recipe = Field(default=_COLOUR.model_copy(update={"crop": (0.5, 1.0)}), alias="global")
    local: Recipe = _COLOUR.model_copy(update={"crop": (0.15, 1.0), "scale": 0.5})


def _survey(raws: Iterable[Raw], config: ImageConfig) -> ImageLayout:
    return survey(raws, config.size, config.channels, config.frame)


def _collate(packed: Tensor) -> View:
    """uint8 `[B, C, H, W]` -> floats in [0, 1]."""
    return View(packed.float().div_(255))


def _augment(config: ImageConfig) -> Mapping[str, Augmentation]:
    recipes = {"weak": config.weak, "strong": config.strong, "global": config.global_, "local": config.local}
    return {"plain": _plain, **{kind: partial(_view, recipe=recipe) for kind, recipe in recipes.items()}}


def _plain(view: View, draws: Draws) -> View:
    return view


def _view(view: View, draws: Draws, recipe: Recipe) -> View:
    return image_view(view, recipe, draws)


def _pixels(view: View) -> Tensor:
    """Raw pixels `[B, C H W]`."""
    return view.x.flatten(1)


def _decoder(dim: int, sample: View) -> nn.Module:
    """From a vector to an image of the sample's shape: three doublings from an eighth of the side."""
    _, channels, height, width = sample.x.shape
    low = (-(-height // 8), -(-width // 8))
    return nn.Sequential(
        nn.Linear(dim, 128 * low[0] * low[1]),
        nn.Unflatten(1, (128, *low)),
        *(layer for wide, narrow in ((128, 64), (64, 32), (32, 32)) for layer in _doubling(wide, narrow)),
        nn.Conv2d(32, channels, 3, 1, 1),
        nn.AdaptiveAvgPool2d((height, width)),
    )


def _doubling(wide: int, narrow: int) -> tuple[nn.Module, ...]:
    return (
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.Conv2d(wide, narrow, 3, 1, 1, bias=False),
        nn.BatchNorm2d(narrow),
        nn.ReLU(inplace=True),
    )


def _target(view: View) -> Tensor:
    return view.x


def _window(width: int, height: int, layout: ImageLayout) -> tuple[float, float, float, float]:
    return kept(width, height, layout.frame)


IMAGE = Modality(
    name="image",
    unit="images",
    config=ImageConfig,
    layout=ImageLayout,
    suffixes=SUFFIXES,
    survey=_survey,
    read=read,
    collate=_collate,
    augment=_augment,
    encoders={"convnet": ConvNet, "resnet18": ResNet18, "timm": Timm, "patches": PatchEncoder},
    floors={"raw pixels": _pixels},
    transformations={"rotation": tuple(partial(quarter_turn, turns=turns) for turns in range(4))},
    decoder=_decoder,
    target=_target,
    grid=True,
    window=_window,
)
