"""Masks of a data set as targets."""

from __future__ import annotations

import torch
from torch import Tensor

from tacit.data.dataset import Dataset
from tacit.data.masks import pack_masks
from tacit.heads.masks import MaskTargets


def masks(dataset: Dataset, max_bad: float = 0.01) -> tuple[MaskTargets, Tensor]:
    """The masks of all samples in the cells of their packed form, and which samples have one, boolean `[N]`.

    Raises `DataError` where the set holds no masks, or more than the fraction `max_bad` of them cannot be used.
    """
    packed = pack_masks(dataset, max_bad=max_bad)
    rows = torch.from_numpy(dataset.everything().source_rows)

    def take(numbers: Tensor) -> Tensor:
        return torch.from_numpy(packed.take(numbers.numpy()))

    return MaskTargets(take, rows, packed.classes), torch.from_numpy(packed.place[rows.numpy()] >= 0)
