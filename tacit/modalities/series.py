"""Time series: what tacit knows about them, on one page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from tacit.augment.kinds import by_kind, recipes_of
from tacit.augment.series import Recipe, series_view
from tacit.config import Config
from tacit.core import Augmentation, Modality, Pieces, Raw
from tacit.modalities import curves, rhythm, steps
from tacit.modalities.described import raw_values, spectrum, statistics
from tacit.modalities.grid import Step
from tacit.modalities.neighbours import euclid, warped
from tacit.modalities.rocket import minirocket
from tacit.modalities.stretches import LONGEST, SeriesLayout, collate, read, survey, windows
from tacit.nn.fcn import FCN
from tacit.nn.tcn import TCN
from tacit.nn.transformer import Transformer

_LATE = Recipe(crop=(0.3, 0.5), late=True)
_STRONG = Recipe(crop=(0.7, 1.0), speed=(0.8, 1.25), jitter=0.1, scale=(0.7, 1.4), warp=0.2, shift=0.2, masks=1)


class SeriesConfig(Config):
    """How series are packed and viewed."""

    name: Literal["series"] = "series"
    every: Step | None = Field(
        default=None,
        description="brings rows to steps so far apart, each the mean of its rows: 10m, 1h, 250ms, 1d, or a number",
    )
    steps: int | None = Field(
        default=None, ge=1, le=1_000_000, description="kept of a series, from its start; the longest, to 4096"
    )
    window: int | None = Field(
        default=None,
        ge=2,
        le=1_000_000,
        description="steps of the windows that longer series are cut into",
    )
    stride: int | None = Field(
        default=None, ge=1, le=1_000_000, description="steps from the start of a window to the next; half a window"
    )
    normalise: Literal["none", "series"] = Field(
        default="none",
        description="series: each channel of each series, or window, to mean 0 and deviation 1; loses its level",
    )
    weak: Recipe = Recipe(crop=(0.8, 1.0), jitter=0.03)
    strong: Recipe = _STRONG
    global_: Recipe = Field(default=_STRONG, alias="global")
    local: Recipe = _STRONG.model_copy(update={"crop": (0.25, 0.5)})
    next: Recipe | None = Field(
        default=None, description="by default the end of a series; of windows the one that follows, seen as in strong"
    )

    @model_validator(mode="after")
    def _windows_leave_nothing_out(self) -> Self:
        if self.window is None and self.stride is not None:
            raise ValueError("modality.stride says how far windows are apart, and there are none: give modality.window")
        if self.window is not None and self.steps is not None:
            raise ValueError("modality.steps keeps the start of a series, modality.window all of it: give one of them")
        if self.window is not None and (self.stride or 1) > self.window:
            raise ValueError(
                f"between windows of {self.window} steps, {self.stride} apart, steps would be lost: give "
                f"modality.stride {self.window} or less"
            )
        return self


def _survey(raws: Iterable[Raw], config: SeriesConfig) -> SeriesLayout:
    return survey(raws, config.steps, config.normalise, config.window, config.stride, config.every)


def _augment(config: SeriesConfig) -> Mapping[str, Augmentation]:
    after = config.next or (_LATE if config.window is None else config.strong)
    return by_kind({**recipes_of(config), "next": after}, series_view)


SERIES = Modality(
    name="series",
    unit="series",
    config=SeriesConfig,
    layout=SeriesLayout,
    suffixes=steps.SUFFIXES,
    survey=_survey,
    surveyed=1_000,
    read=read,
    pieces=Pieces(
        windows,
        "steps",
        asked=lambda layout: {"window": layout.length, "stride": layout.stride, "every": layout.every},
        way="window=256",
        most=LONGEST,
    ),
    collate=collate,
    augment=_augment,
    encoders={"tcn": TCN, "fcn": FCN, "transformer": Transformer},
    floors={"raw values": raw_values, "statistics": statistics, "spectrum": spectrum},
    classifiers={"1-NN Euclid": euclid, "1-NN DTW": warped, "MiniRocket": minirocket},
    recipes={
        "simclr": {"method": {"local": 0, "temperature": 0.2}, "optimiser": {"lr": 1e-3}},
        "ibot": {"encoder": {"name": "tcn"}},
        "msn": {"encoder": {"name": "tcn"}, "optimiser": {"lr": 2e-3, "weight_decay": 0.02, "clip": None}},
        # of few values in a token, their level says most
        "mae": {"method": {"each": False}},
        "beit": {"method": {"each": False}},
        "aim": {"method": {"each": False}},
        # crops alone: what is a pair must be the same moment as it is
        "ts2vec": {"modality": {"weak": {"crop": [0.5, 1.0], "jitter": 0.0}}},
    },
    presets={
        "masked-prediction": {
            # Nie et al. 2023, arXiv 2211.14730: windows of many patches, each channel by itself
            "patchtst": {
                "method": {"share": 0.4, "changed": 0.0, "kept": 0.0},
                "encoder": {"name": "transformer", "patch": 12, "apart": True, "revin": True, "dropout": 0.2},
                "modality": {"weak": {"jitter": 0.0}},
            },
            # Zerveas et al. 2021, arXiv 2010.02803: single steps, hidden in runs
            "mvp": {
                "method": {"share": 0.15, "span": 3, "runs": "geometric", "changed": 0.0, "kept": 0.0},
                "encoder": {"name": "transformer", "patch": 1},
                "modality": {"weak": {"jitter": 0.0}},
            },
        },
    },
    gaps=True,
    places=True,
    steps=steps.decode,
    every=lambda settings: settings.every,
    rhythm=rhythm.rhythm,
    picture=curves.picture,
    facts=curves.facts,
    advice=curves.advice,
)
