"""Images: what tacit knows about them, on one page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from tacit.augment.copies import COPIES
from tacit.augment.corrupt import grey, holed, noisy
from tacit.augment.image import Recipe, image_view, quarter_turns
from tacit.augment.kinds import by_kind, recipes_of
from tacit.augment.lab import gamut, to_lab, to_rgb
from tacit.augment.tiles import COMPASS, neighbours, neighbours_laid, puzzle, puzzle_laid
from tacit.config import Config
from tacit.core import Augmentation, Draws, Encoder, Family, Modality, Raw, Samples, Target, View
from tacit.errors import DataError
from tacit.memory import floats
from tacit.modalities.closed import patches
from tacit.modalities.facts import advice, facts
from tacit.modalities.likeness import perceptual_hash
from tacit.modalities.marks import stored, whole
from tacit.modalities.papers import PRESETS
from tacit.modalities.pictures import SUFFIXES, ImageLayout, extent, read, survey
from tacit.modalities.pixels import GREY, Frame, kept
from tacit.nn.convnet import ConvNet, ResNet18, Timm
from tacit.nn.dense import Dense, doubling
from tacit.nn.manifold import ManifoldEncoder
from tacit.nn.patches import PatchEncoder
from tacit.nn.transformer import Transformer

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


def _collate(packed: Tensor, layout: ImageLayout) -> View:
    """uint8 `[B, C, H, W]` -> floats in [0, 1]."""
    return View(floats(packed))


def _augment(config: ImageConfig) -> Mapping[str, Augmentation]:
    return by_kind(recipes_of(config), image_view)


def _pixels(view: View) -> Tensor:
    """Raw pixels `[B, C H W]`."""
    return view.x.flatten(1)


def _decoder(dim: int, truth: Tensor) -> nn.Module:
    """From a vector to an image of the shape of `truth`: three doublings from an eighth of the side."""
    _, channels, height, width = truth.shape
    low = (-(-height // 8), -(-width // 8))
    return nn.Sequential(
        nn.Linear(dim, 128 * low[0] * low[1]),
        nn.Unflatten(1, (128, *low)),
        *(layer for wide, narrow in ((128, 64), (64, 32), (32, 32)) for layer in doubling(wide, narrow)),
        nn.Conv2d(32, channels, 3, 1, 1),
        nn.AdaptiveAvgPool2d((height, width)),
    )


def _dense(encoder: Encoder, sample: View, channels: int, stride: int) -> nn.Module:
    return Dense(encoder, sample, channels, stride)


def _turned(view: View, labels: Tensor, draws: Draws) -> View:
    return quarter_turns(view, labels)


def _turned_back(view: View, labels: Tensor) -> View:
    return quarter_turns(view, -labels)


def _values(view: View) -> Tensor:
    return view.x


def _paint_values(seen: View, drawn: Tensor) -> View:
    x = _as_large(drawn, seen).clamp(0, 1)
    if seen.valid is not None:
        x = torch.where(seen.valid.view(len(x), 1, *x.shape[2:]), seen.x, x)
    return seen.with_x(x)


def _colours(view: View) -> Tensor:
    """a and b of CIE Lab, `[B, 2, H, W]`."""
    channels = view.x.shape[1]
    if channels != 3:
        raise DataError(
            f"colours are to be predicted, and these images have {channels} channel{'s' * (channels > 1)}, not red, "
            "green and blue: choose another method, or --set modality.channels=3 where the files have colours"
        )
    return to_lab(view.x)[:, 1:]


def _paint_colours(seen: View, drawn: Tensor) -> View:
    return seen.with_x(to_rgb(torch.cat([to_lab(seen.x)[:, :1], _as_large(drawn, seen)], dim=1)))


def _as_large(drawn: Tensor, seen: View) -> Tensor:
    return F.interpolate(drawn, seen.x.shape[2:], mode="bilinear", align_corners=False)


def _picture(view: View) -> np.ndarray:
    """Images as RGB: grey as grey, alpha over the middle grey it is trained on, of many channels the first three."""
    x = view.x.detach().float().cpu().clamp(0, 1)
    channels = x.shape[1]
    if channels in (2, 4):
        alpha = x[:, -1:]
        x = x[:, :-1] * alpha + GREY / 255 * (1 - alpha)
    colour = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x[:, :3]
    return (colour * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def _fingerprint(view: View) -> Tensor:
    return perceptual_hash(_picture(view))


def _window(width: int, height: int, layout: ImageLayout) -> tuple[float, float, float, float]:
    return kept(width, height, layout.frame)


def _patches(samples: Samples) -> Callable[[View], Tensor]:
    return patches(samples, IMAGE)


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
    encoders={
        "convnet": ConvNet,
        "resnet18": ResNet18,
        "timm": Timm,
        "patches": PatchEncoder,
        "manifold": ManifoldEncoder,
        "transformer": Transformer,
    },
    floors={"raw pixels": _pixels},
    rivals={"patches": _patches},
    transformations={
        "rotation": Family(4, _turned, _turned_back, names=("upright", "turned left", "upside down", "turned right")),
        "jigsaw": Family(72, partial(puzzle, side=3), partial(puzzle_laid, side=3), pieces=9),
        "jigsaw-2x2": Family(12, partial(puzzle, side=2), partial(puzzle_laid, side=2), pieces=4),
        "neighbours": Family(8, neighbours, neighbours_laid, pieces=2, names=COMPASS),
    },
    corruptions={"noise": noisy, "holes": holed, "grey": grey},
    targets={"values": Target(_values, _paint_values), "colour": Target(_colours, _paint_colours, gamut)},
    presets=PRESETS,
    recipes={"masked-prediction": {"method": {"share": 0.6, "changed": 0.0, "kept": 0.0, "each": True}}},
    decoder=_decoder,
    dense=_dense,
    grid=True,
    places=True,
    window=_window,
    extent=extent,
    stored=stored,
    copies=COPIES,
    fingerprint=_fingerprint,
    picture=_picture,
    whole=whole,
    facts=facts,
    advice=advice,
)
