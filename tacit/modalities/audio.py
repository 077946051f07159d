"""Recordings: what tacit knows about them, on one page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from tacit.augment.audio import Recipe, audio_view
from tacit.augment.kinds import by_kind, recipes_of
from tacit.augment.wave import wave_view
from tacit.config import Config
from tacit.core import Augmentation, Modality, Pieces, Raw, View
from tacit.modalities import frames, hearing, sound
from tacit.modalities.clips import clips
from tacit.modalities.mel import cepstra, deltas
from tacit.modalities.packing import CEPSTRA, AudioLayout, Front, read, spectra_of_waves, survey
from tacit.nn.tdnn import TDNN
from tacit.nn.transformer import Transformer

SEGMENTS = 4
"""Parts of a recording whose cepstra are described one by one: a word is a sequence."""
_STRONG = Recipe(crop=(0.7, 1.0), speed=(0.8, 1.25), pitch=(0.85, 1.18), gain=6, fade=6, tilt=9, masks=1)


def _only(**parts: Any) -> Mapping[str, Any]:
    """A recipe with nothing but `parts`, whole, so that none of the default's is left."""
    return Recipe(**parts).model_dump(mode="json")


class AudioConfig(Config):
    """How recordings are packed and viewed."""

    name: Literal["audio"] = "audio"
    front: Front = Field(
        default="log-mel",
        description="log-mel spectra of sounds, their waves in frames of 20 ms, or the features that files hold",
    )
    rate: int | None = Field(
        default=None,
        ge=1_000,
        le=400_000,
        description="samples a second; the commonest of the data, to 16000; of waves 8000 or 16000",
    )
    bands: int | None = Field(
        default=None, ge=1, le=4096, description="mel bands, 64 by default; of features, numbers a frame"
    )
    seconds: float | None = Field(
        default=None, gt=0, le=3600, description="that a row holds of a recording; from the data, to 10"
    )
    pieces: bool | None = Field(
        default=None,
        description="whether longer recordings become several rows, or are cut; by default where much would be lost",
    )
    weak: Recipe = Recipe(crop=(0.8, 1.0), gain=3)
    strong: Recipe = _STRONG
    global_: Recipe = Field(default=_STRONG.model_copy(update={"crop": (0.6, 1.0)}), alias="global")
    local: Recipe = _STRONG.model_copy(update={"crop": (0.2, 0.5)})
    next: Recipe = Recipe(crop=(0.3, 0.5), late=True)


def _survey(raws: Iterable[Raw], config: AudioConfig) -> AudioLayout:
    return survey(raws, config.front, config.rate, config.bands, config.seconds, config.pieces)


def _collate(packed: Tensor, layout: AudioLayout) -> View:
    """Frames float32 `[B, L, P]`, cut at the longest recording of the batch."""
    valid = ~packed[..., 0].isnan()
    longest = max(1, int(valid.sum(dim=1).max()) if len(packed) else 1)
    x = torch.where(valid[..., None], packed, 0)[:, :longest].float()
    place = torch.arange(longest).expand(len(packed), longest)
    return View(x, valid[:, :longest], place, rate=layout.rate if layout.front == "wave" else None)


def _augment(config: AudioConfig) -> Mapping[str, Augmentation]:
    recipes = recipes_of(config)
    if config.front == "wave":
        return by_kind(recipes, wave_view)
    if config.front == "features":
        recipes = {kind: recipe.without_spectra() for kind, recipe in recipes.items()}
    return by_kind(recipes, audio_view)


def _cepstra(view: View) -> Tensor:
    """Mean and deviation of 13 MFCC and their deltas in each of four equal parts of a recording: `[B, 208]`.

    Features of few numbers a frame, which are cepstra as a rule, are taken as they are; waves are turned into spectra.
    """
    view = view if view.rate is None else spectra_of_waves(view)
    assert view.valid is not None
    x = view.x if view.x.shape[2] <= 2 * CEPSTRA else cepstra(view.x, CEPSTRA)
    described = torch.cat([x, deltas(x, view.valid)], dim=2)
    count = view.valid.sum(dim=1, keepdim=True)
    part = torch.arange(x.shape[1]) * SEGMENTS // count.clamp_min(1)
    told = []
    for segment in range(SEGMENTS):
        inside = ((part == segment) & view.valid).float()[..., None]
        size = inside.sum(dim=1).clamp_min(1)
        mean = (described * inside).sum(dim=1) / size
        variance = ((described - mean[:, None]).square() * inside).sum(dim=1) / size
        told += [mean, variance.sqrt()]
    return torch.cat(told, dim=1)


AUDIO = Modality(
    name="audio",
    unit="recordings",
    config=AudioConfig,
    layout=AudioLayout,
    suffixes=sound.SUFFIXES | frames.SUFFIXES,
    survey=_survey,
    surveyed=1_000,
    read=read,
    pieces=Pieces(clips, "seconds", lambda _: {"pieces": True}),
    collate=_collate,
    augment=_augment,
    places=True,
    encoders={"tdnn": TDNN, "transformer": Transformer},
    floors={"MFCC": _cepstra},
    recipes={
        # neighbouring frames are alike: what is hidden has to be longer than what can be guessed from beside it
        "masked-prediction": {"method": {"share": 0.5, "span": 3, "changed": 0.0, "kept": 0.0}},
        "causal-prediction": {"method": {"ahead": 3}},
        "pixpro": {"encoder": {"name": "transformer"}},
        "recognise": {"modality": {"weak": {"crop": [1.0, 1.0], "speed": [0.9, 1.1], "masks": 2}}},
        "simclr": {
            "method": {"local": 0, "temperature": 0.1},
            "optimiser": {"lr": 3e-3},
        },
    },
    presets={
        "simclr": {
            "cola": {  # Saeed et al. 2021, arXiv 2010.10915: two crops of a clip, and nothing else
                "method": {"temperature": 0.2},
                "modality": {"strong": _only(crop=(0.4, 0.6))},
            },
        },
        "byol": {
            "byol-a": {  # Niizumi et al. 2021, arXiv 2103.06695
                "method": {"momentum": 0.99, "hidden": 4096, "out": 256},
                "encoder": {"width": 1024},
                "modality": {
                    "strong": _only(crop=(0.6, 1.0), speed=(0.67, 1.67), pitch=(0.67, 1.67), mix=0.4, fade=8.7)
                },
                "optimiser": {"name": "adamw", "lr": 3e-4, "weight_decay": 0.0},
                "batch": 256,
                "budget": {"epochs": 100},
            },
        },
        "wav2vec2": {
            # Baevski et al. 2020, section 4, base; without layer drop, the penalty on what the convolutions give and
            # their slower gradient, and with norms before and rotary positions
            "wav2vec2-base": {
                "method": {"share": 0.65, "span": 10, "codes": 320, "negatives": 100, "out": 256},
                "encoder": {"size": "base", "channels": 512, "dropout": 0.1},
                "modality": {"front": "wave", "rate": 16_000, "seconds": 15.6, "weak": _only(crop=(1.0, 1.0))},
                "optimiser": {"lr": 5e-4, "warmup": 0.08, "clip": None},
                "batch": 384,  # 1.6 h of speech
                "accumulate": 24,
                "budget": {"steps": 400_000},
            },
            # for two cores: a step on 32 spoken digits takes about half a second of one
            "waves": {
                "encoder": {"channels": 64},
                "modality": {"front": "wave"},
                "batch": 32,
                "budget": {"time": "2m"},
            },
        },
    },
    picture=hearing.picture,
    facts=hearing.facts,
    advice=hearing.advice,
)
