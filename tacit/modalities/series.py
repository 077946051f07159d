"""Time series: what tacit knows about them, on one page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import Field

from tacit.augment.kinds import by_kind, recipes_of
from tacit.augment.series import Recipe, series_view
from tacit.config import Config
from tacit.core import Augmentation, Modality, Raw
from tacit.modalities import curves, steps
from tacit.modalities.described import raw_values, spectrum, statistics
from tacit.modalities.neighbours import euclid, warped
from tacit.modalities.stretches import SeriesLayout, collate, read, survey
from tacit.nn.tcn import TCN
from tacit.nn.transformer import Transformer

_STRONG = Recipe(crop=(0.7, 1.0), speed=(0.8, 1.25), jitter=0.1, scale=(0.7, 1.4), warp=0.2, shift=0.2, masks=1)


class SeriesConfig(Config):
    """How series are packed and viewed."""

    name: Literal["series"] = "series"
    steps: int | None = Field(
        default=None, ge=1, le=1_000_000, description="kept of a series, from its start; the longest, to 4096"
    )
    normalise: Literal["none", "series"] = Field(
        default="none", description="series: each channel of each series to mean 0 and deviation 1; loses its level"
    )
    weak: Recipe = Recipe(crop=(0.8, 1.0), jitter=0.03)
    strong: Recipe = _STRONG
    global_: Recipe = Field(default=_STRONG, alias="global")
    local: Recipe = _STRONG.model_copy(update={"crop": (0.25, 0.5)})
    next: Recipe = Recipe(crop=(0.3, 0.5), late=True)


def _survey(raws: Iterable[Raw], config: SeriesConfig) -> SeriesLayout:
    return survey(raws, config.steps, config.normalise)


def _augment(config: SeriesConfig) -> Mapping[str, Augmentation]:
    return by_kind(recipes_of(config), series_view)


SERIES = Modality(
    name="series",
    unit="series",
    config=SeriesConfig,
    layout=SeriesLayout,
    suffixes=steps.SUFFIXES,
    survey=_survey,
    surveyed=1_000,
    read=read,
    collate=collate,
    augment=_augment,
    encoders={"tcn": TCN, "transformer": Transformer},
    floors={"raw values": raw_values, "statistics": statistics, "spectrum": spectrum},
    classifiers={"1-NN Euclid": euclid, "1-NN DTW": warped},
    recipes={
        "simclr": {"method": {"local": 0, "temperature": 0.2}, "optimiser": {"lr": 1e-3}},
        # crops alone: what is a pair must be the same moment as it is
        "ts2vec": {"modality": {"weak": {"crop": [0.5, 1.0], "jitter": 0.0}}},
    },
    gaps=True,
    steps=steps.decode,
    picture=curves.picture,
    facts=curves.facts,
    advice=curves.advice,
)
