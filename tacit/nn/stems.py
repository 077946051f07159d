"""Stems: how samples of each kind are cut into tokens, and what a token holds."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tacit.core import Tokens, View
from tacit.nn.standardise import Standardise

SPREAD = 0.02
"""Standard deviation of random vectors of ids (GPT-2, BERT)."""


class Stem(nn.Module, ABC):
    """Cuts a view into tokens of width D."""

    table: Tensor | None = None
    """The vectors of all ids, `[V, D]`, where tokens are ids."""

    @abstractmethod
    def forward(self, view: View) -> Tokens:
        """The tokens of `view`."""


class Ids(Stem):
    """A vector an id: words, pieces of words, items."""

    def __init__(self, sample: View, width: int) -> None:
        super().__init__()
        assert sample.vocabulary is not None
        self.vocabulary = sample.vocabulary
        self.vectors = nn.Embedding(sample.vocabulary, width)
        nn.init.normal_(self.vectors.weight, std=SPREAD)

    @property
    def table(self) -> Tensor:  # type: ignore[override]  # an attribute there, the weights themselves here
        return self.vectors.weight

    def forward(self, view: View) -> Tokens:
        valid = _all_of(view.x) if view.valid is None else view.valid
        where = torch.arange(view.x.shape[1], device=view.x.device).expand_as(view.x)
        if view.where is not None:
            where = view.where
        return Tokens(self.vectors(view.x), view.x, where[..., None].float(), valid, self.vocabulary)


class Frames(Stem):
    """`patch` neighbouring frames a token: spectra of sound, values of series."""

    def __init__(self, sample: View, width: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        valid = _all_of(sample.x[..., 0]) if sample.valid is None else sample.valid
        self.standardise = Standardise(sample.x[valid])
        self.project = nn.Linear(patch * sample.x.shape[-1], width)

    def forward(self, view: View) -> Tokens:
        B, L, P = view.x.shape
        valid = _all_of(view.x[..., 0]) if view.valid is None else view.valid
        values = self.standardise(view.x.float()).masked_fill(~valid[..., None], torch.nan)
        short = -L % self.patch
        values = F.pad(values, (0, 0, 0, short), value=torch.nan).view(B, -1, self.patch * P)
        held = F.pad(valid, (0, short)).view(B, -1, self.patch).any(dim=2)
        place = torch.arange(values.shape[1], device=view.x.device).expand(B, -1)
        if view.where is not None:
            place = F.pad(view.where, (0, short)).view(B, -1, self.patch)[..., 0] / self.patch
        return Tokens(self.project(values.nan_to_num()), values, place[..., None].float(), held)


class Grid(Stem):
    """A square of `patch` by `patch` cells a token (Dosovitskiy et al. 2021, arXiv 2010.11929)."""

    def __init__(self, sample: View, width: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.standardise = Standardise(sample.x)
        self.project = nn.Linear(sample.x.shape[1] * patch**2, width)

    def forward(self, view: View) -> Tokens:
        values = self.standardise(view.x.float())
        down, right = (-side % self.patch for side in values.shape[2:])
        values = F.pad(values, (0, right, 0, down))
        rows, columns = (side // self.patch for side in values.shape[2:])
        cut = F.unfold(values, self.patch, stride=self.patch).transpose(1, 2)  # [B, L, C p p]
        place = torch.cartesian_prod(*(torch.arange(n, device=cut.device) for n in (rows, columns)))
        where = place.view(-1, 2).float().expand(len(cut), -1, -1)
        return Tokens(self.project(cut), cut, where, _all_of(cut[..., 0]))


def stem_for(sample: View, width: int, patch: int | None) -> Stem:
    """The stem that reads views like `sample`; `patch`: frames or cells of a side in a token, by default a few.

    Ids `[B, L]`, frames `[B, L, P]`, grids `[B, C, H, W]`.
    """
    if sample.vocabulary is not None:
        return Ids(sample, width)
    if sample.x.dim() == 3:
        return Frames(sample, width, patch or 4)
    return Grid(sample, width, patch or max(2, sample.x.shape[-1] // 8))


def _all_of(x: Tensor) -> Tensor:
    return torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
