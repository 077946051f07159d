"""Interactions of users with items: what tacit knows about them, on one page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from pydantic import BeforeValidator, Field, model_validator
from torch import Tensor

from tacit.augment.items import Recipe, before, held_back, items_view, latest
from tacit.augment.kinds import by_kind, recipes_of
from tacit.config import Config
from tacit.core import Augmentation, Draws, Modality, Raw, View
from tacit.errors import UsageError
from tacit.modalities import habits, histories
from tacit.modalities.histories import HistoryLayout, collate, read
from tacit.modalities.item_table import open_items
from tacit.modalities.surveying import AUTO, COLUMN, LAST, Wishes, survey
from tacit.nn.bag import Bag
from tacit.nn.transformer import Transformer
from tacit.view import FIRST_WORD

COUNTED = 2_000
"""Columns of the raw features: items fall into them by their ids."""


def _told(value: Any) -> Any:
    """YAML takes a date or a number for one."""
    return str(value) if isinstance(value, date | int | float) and not isinstance(value, bool) else value


Told = Annotated[str, BeforeValidator(_told)]


class InteractionsConfig(Config):
    """How histories are packed, what of them is never learnt from, and how they are viewed."""

    name: Literal["interactions"] = "interactions"
    length: int | None = Field(
        default=None, ge=8, le=65_536, description="items that are kept of a user, the latest; the longest, to 1024"
    )
    core: int = Field(
        default=1, ge=1, description="k-core: users and items with fewer interactions are left out, until none is left"
    )
    hold_out: int = Field(
        default=2,
        ge=0,
        description="last items of each user that training never sees: one to test, one to choose by; 1 fewer by time",
    )
    split: Told = Field(
        default=AUTO,
        description="auto: what the log's column split says tests, where it has one, else the last items of each user; "
        "last; column; or all from a moment on: time (the last tenth), a date",
    )
    event: Told | None = Field(default=None, description="interactions that count, such as purchase,cart; all")
    least_value: float | None = Field(default=None, description="the smallest value (rating) that counts; all")
    pauses: bool = Field(
        default=False, description="time gaps: of each item it is read, too, how long before it the last one was taken"
    )
    features: str | None = Field(default=None, description="a table of what is known of items: item, and any columns")
    cold: float = Field(
        default=0.0, ge=0, le=0.5, description="share of the items that is kept out, to judge how new ones are ranked"
    )
    weak: Recipe = Recipe()
    strong: Recipe = Recipe(crop=(0.6, 0.9), reorder=0.2, mask=0.3)

    @model_validator(mode="after")
    def _cold_ones_are_known(self) -> Self:
        if self.cold and self.features is None:
            raise ValueError(f"cold={self.cold:g} keeps items out that are known by their features alone: name those")
        return self


def _survey(raws: Iterable[Raw], config: InteractionsConfig) -> HistoryLayout:
    wishes = Wishes(
        core=config.core,
        length=config.length,
        table=None if config.features is None else open_items(config.features),
        cold=config.cold,
        events="" if config.event is None else "\n".join(each.strip() for each in config.event.split(",")),
        least=config.least_value,
        split=config.split,
        pauses=config.pauses,
    )
    return survey(raws, wishes)


def _beside(config: InteractionsConfig) -> Sequence[Path]:
    return [] if config.features is None else [Path(config.features)]


def _within(
    packed: npt.NDArray[np.generic], layout: HistoryLayout, config: InteractionsConfig
) -> npt.NDArray[np.bool_]:
    alike = {AUTO: True, LAST: not layout.divided, COLUMN: bool(layout.parts)}
    if not alike.get(config.split, layout.moment is not None):
        raise UsageError(
            f"modality.split={config.split}: the weights to start from were learnt from what was divided otherwise "
            f"(modality.split={'column' if layout.parts else 'last' if layout.moment is None else layout.moment}): "
            "leave it or --init-from out"
        )
    if config.pauses and not layout.pauses:
        raise UsageError(
            "modality.pauses=true: the weights to start from were learnt without: leave it or --init-from out"
        )
    return histories.within(packed, layout, config.hold_out)


def _augment(config: InteractionsConfig) -> Mapping[str, Augmentation]:
    def apply(view: View, recipe: Recipe, draws: Draws) -> View:
        return items_view(_seen(view, config), recipe, draws)

    return {**by_kind(recipes_of(config), apply), **by_kind({"alike": config.weak}, _up_to_the_shared)}


def _seen(view: View, config: InteractionsConfig) -> View:
    """What training sees of a history: nothing from where on a moment or the log divides users, else not the last
    items.

    Which it is, the layout says, which travels with weights, and shows in places below 0.
    """
    if view.where is not None and bool((view.where[:, :1] < 0).any()):
        return before(view, -max(0, config.hold_out - 1))
    return held_back(view, config.hold_out)


def _up_to_the_shared(view: View, recipe: Recipe, draws: Draws) -> View:
    """What of the history of another user leads to an item that both took, and that item; training sees both."""
    return latest(before(view, 1), recipe.window)


def _item_counts(view: View) -> Tensor:
    """Logarithms of the counts of items, which share columns where there are many, of unit length: `[B, 2000]`."""
    assert view.vocabulary is not None
    columns = min(COUNTED, view.vocabulary - FIRST_WORD)
    place = (view.x - FIRST_WORD).remainder(columns)
    counts = torch.zeros(len(view), columns).scatter_add_(1, place, (view.x >= FIRST_WORD).float())
    return F.normalize(counts.log1p(), dim=1)


INTERACTIONS = Modality(
    name="interactions",
    unit="users",
    method="causal-prediction",
    tasks=("next-item",),
    config=InteractionsConfig,
    layout=HistoryLayout,
    suffixes=frozenset({".inter", ".dat", ".data", ".csv", ".tsv", ".txt", ".parquet"}),
    survey=_survey,
    beside=_beside,
    surveyed=2_000_000,
    read=read,
    collate=collate,
    values=False,
    places=True,
    within=_within,
    seen=_seen,
    augment=_augment,
    encoders={"transformer": Transformer, "bag": Bag},
    floors={"item counts": _item_counts},
    facts=habits.facts,
    advice=habits.advice,
    recipes={
        "causal-prediction": {
            "method": {"loss": "auto", "negatives": 512, "weigh": "tokens"},
            "encoder": {"size": "micro", "dropout": 0.4},
            "optimiser": {"lr": 3e-3, "weight_decay": 0.05},
            "usual_batch": 128,
        },
        "masked-prediction": {
            "method": {"share": 0.2, "changed": 0.0, "kept": 0.0},
            "encoder": {"size": "micro", "dropout": 0.2},
            "usual_batch": 128,
        },
        "mae": {"method": {"share": 0.4}, "encoder": {"size": "micro", "dropout": 0.2}, "usual_batch": 128},
        "i-jepa": {"encoder": {"size": "micro", "dropout": 0.2}, "usual_batch": 128},
        "simclr": {"method": {"local": 0}, "encoder": {"size": "micro"}},
        # what changes places is no longer where views say that it is
        "pixpro": {"modality": {"strong": {"reorder": 0.0}}, "encoder": {"size": "micro", "dropout": 0.2}},
    },
    presets={
        "causal-prediction": {
            # Kang and McAuley 2018, arXiv 1808.09781, by the loss that it does best with (arXiv 2309.07602)
            "sasrec": {"method": {"loss": "softmax"}, "encoder": {"dropout": 0.5}, "optimiser": {"lr": 2e-3}},
            # Petrov and Macdonald 2023, arXiv 2308.07192
            "gsasrec": {
                "method": {"loss": "gbce", "negatives": 256, "calibration": 0.75},
                "encoder": {"dropout": 0.5},
                "optimiser": {"lr": 2e-3},
            },
            # Xie et al. 2022, arXiv 2010.14395; Qiu et al. 2022, arXiv 2110.05730: `sasrec` and contrast beside it by
            # the papers' weight; their products of states, 8 long behind a norm of 64 features, are cosines by 1/64
            "cl4srec": {
                "method": {"loss": "softmax", "contrast": 0.1, "positive": "view", "temperature": 1 / 64},
                "encoder": {"dropout": 0.5},
                "optimiser": {"lr": 2e-3},
            },
            "duorec": {
                "method": {"loss": "softmax", "contrast": 0.1, "positive": "same-target", "temperature": 1 / 64},
                "encoder": {"dropout": 0.5},
                "optimiser": {"lr": 2e-3},
            },
        },
        # Sun et al. 2019, arXiv 1904.06690
        "masked-prediction": {"bert4rec": {"encoder": {"size": "micro"}, "optimiser": {"lr": 2e-3}}},
        # Xie et al. 2022, without its first loss, the next item: the preset of causal-prediction has both
        "simclr": {"cl4srec": {"method": {"hidden": 0, "temperature": 0.5}, "encoder": {"dropout": 0.2}}},
    },
)
