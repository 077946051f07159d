"""Stems: how samples of each kind are cut into tokens, and what a token holds."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tacit.core import Tokens, View
from tacit.errors import UsageError
from tacit.nn.standardise import Standardise
from tacit.view import PAUSES, Traits

SPREAD = 0.02
"""Standard deviation of random vectors of ids (GPT-2, BERT)."""
TINY = 1e-5
"""Added to the variance of a series, of which that of the whole set is 1 (RevIN)."""
ALONE = 0.1
"""How often an id has to do without its own vector, where more is known of it."""
UNTIMED = 0.1
"""How often a sample has to do without its pauses, where these are read."""


class Stem(nn.Module, ABC):
    """Cuts a view into tokens of width D."""

    table: Tensor | None = None
    """The vectors of all ids, `[V, D]`, where tokens are ids."""

    @abstractmethod
    def forward(self, view: View) -> Tokens:
        """The tokens of `view`."""


class Ids(Stem):
    """A vector an id: words, pieces of words, items. Where more is known of ids, or how long before each the one before
    it was, the vectors of that are added."""

    def __init__(self, sample: View, width: int) -> None:
        super().__init__()
        assert sample.vocabulary is not None
        self.vocabulary = sample.vocabulary
        self.vectors = nn.Embedding(sample.vocabulary, width)
        nn.init.normal_(self.vectors.weight, std=SPREAD)
        self.known = None if sample.traits is None else Known(sample.traits, width)
        self.pauses = None if sample.pauses is None else Pauses(width)

    @property
    def table(self) -> Tensor:  # type: ignore[override]  # an attribute there, the weights themselves here
        own: Tensor = self.vectors.weight
        return own if self.known is None else self.known(own)

    def forward(self, view: View) -> Tokens:
        valid = _all_of(view.x) if view.valid is None else view.valid
        where = torch.arange(view.x.shape[1], device=view.x.device).expand_as(view.x)
        if view.where is not None:
            where = view.where
        x = F.embedding(view.x, self.table)
        if self.pauses is not None:
            x = x + self.pauses(view)
        return Tokens(x, view.x, where[..., None].float(), valid, self.vocabulary)


class Known(nn.Module):
    """What is known of ids as vectors that are added to their own: each term has one.

    In training an id now and then has nothing but what is known of it, as one that nobody has seen yet will have
    (Volkovs et al. 2017, DropoutNet).
    """

    starts: Tensor
    places: Tensor
    values: Tensor

    def __init__(self, traits: Traits, width: int) -> None:
        super().__init__()
        for name in ("starts", "places", "values"):  # they are the layout's, and stand there
            self.register_buffer(name, getattr(traits, name), persistent=False)
        self.vectors = nn.Embedding(traits.width, width)
        nn.init.normal_(self.vectors.weight, std=SPREAD)

    def forward(self, own: Tensor) -> Tensor:
        """`[V, D]`, of the ids' own vectors `[V, D]`."""
        if self.training:
            own = own * (torch.rand(len(own), 1, device=own.device) >= ALONE)
        terms = self.vectors.weight
        return own + F.embedding_bag(
            self.places, terms, self.starts, mode="sum", per_sample_weights=self.values.to(terms.dtype)
        )


class Pauses(nn.Module):
    """How long before a token the one before it was, as a vector: that the time between matters, and is best cut off at
    both ends, is from Li et al. 2020, TiSASRec, WSDM.

    In training a sample now and then has none of them, as one whose times nobody knows.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(PAUSES, width)
        nn.init.zeros_(self.vectors.weight)  # of a pause that nobody made nothing is learnt, and it says nothing

    def forward(self, view: View) -> Tensor:
        """`[B, L, D]`."""
        pauses = torch.zeros_like(view.x) if view.pauses is None else view.pauses
        if self.training:
            pauses = pauses * (torch.rand(len(pauses), 1, device=pauses.device) >= UNTIMED)
        found: Tensor = self.vectors(pauses)
        return found


class Frames(Stem):
    """`patch` neighbouring frames a token: spectra of sound, values of series.

    Where `apart`, each channel is a sequence of its own, all read by the same weights (PatchTST, Nie et al. 2023, arXiv
    2211.14730, section 3.1). With `revin` tokens are made of values without the level and spread of their series, and
    are told both beside (Kim et al. 2022, Reversible Instance Normalization; its learnt factors are the projection's).
    """

    def __init__(self, sample: View, width: int, patch: int, *, apart: bool = False, revin: bool = False) -> None:
        super().__init__()
        self.patch, self.apart = patch, apart
        valid = _all_of(sample.x[..., 0]) if sample.valid is None else sample.valid
        self.standardise = Standardise(sample.x[valid])
        together = 1 if apart else sample.x.shape[-1]
        self.project = nn.Linear(patch * together, width)
        self.scale = nn.Linear(2 * together, width) if revin else None

    def forward(self, view: View) -> Tokens:
        values, valid, place = in_patches(view, self.standardise, self.patch)
        rows = values.shape[3] if self.apart else 1
        if self.apart:
            values = values.permute(0, 3, 1, 2).flatten(1, 2)[..., None]  # [B, C L, patch, 1]
            valid, place = ~values.isnan().all(dim=2).squeeze(2), place.repeat(1, rows, 1)
        if self.scale is None:
            return Tokens(self.project(values.nan_to_num().flatten(2)), values.flatten(2), place, valid, rows=rows)
        level, spread = (each.expand_as(values) for each in _scale(values, rows))
        x = self.project(((values - level) / spread).nan_to_num().flatten(2))
        x = x + self.scale(torch.cat([level[:, :, 0], spread[:, :, 0].log()], dim=2))
        scale = (level.flatten(2), spread.flatten(2))
        return Tokens(x, values.flatten(2), place, valid, rows=rows, scale=scale)


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


def in_patches(view: View, standardise: Standardise, patch: int) -> tuple[Tensor, Tensor, Tensor]:
    """Frames `[B, L, P]` of a view as tokens of `patch` of them: standardised values `[B, L', patch, P]`, NaN where
    missing; in which tokens there is a real frame, `[B, L']`; their places in steps of a token, `[B, L', 1]`."""
    B, L, P = view.x.shape
    valid = _all_of(view.x) if view.valid is None else view.valid
    values = standardise(view.x.float()).masked_fill(~valid[..., None], torch.nan)
    short = -L % patch
    values = F.pad(values, (0, 0, 0, short), value=torch.nan).view(B, -1, patch, P)
    place = torch.arange(values.shape[1], device=view.x.device).expand(B, -1)
    if view.where is not None:
        place = view.where[:, ::patch] / patch
    return values, F.pad(valid, (0, short)).view(B, -1, patch).any(dim=2), place[..., None].float()


def _scale(values: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """Level and spread of each channel of each of the sequences in `values [B, R L, patch, P]`, `[B, R L, 1, P]` each.

    Both of what is known; a channel without any value has level 0.
    """
    each = values.reshape(len(values), rows, -1, *values.shape[2:])
    level = each.nanmean(dim=(2, 3), keepdim=True).nan_to_num()
    spread = ((each - level).square().nanmean(dim=(2, 3), keepdim=True).nan_to_num() + TINY).sqrt()
    level, spread = (x.expand(-1, -1, each.shape[2], -1, -1).flatten(1, 2) for x in (level, spread))
    return level, spread


def stem_for(sample: View, width: int, patch: int | None, *, apart: bool = False, revin: bool = False) -> Stem:
    """The stem that reads views like `sample`; `patch`: frames or cells of a side in a token, by default a few.

    Ids `[B, L]`, frames `[B, L, P]`, which alone can be read `apart` and with `revin`, grids `[B, C, H, W]`.
    """
    frames = sample.vocabulary is None and sample.x.dim() == 3
    if (apart or revin) and not frames:
        raise UsageError("encoder.apart and encoder.revin are for series, and these samples are none: leave them away")
    if frames:
        return Frames(sample, width, patch or 4, apart=apart, revin=revin)
    if sample.vocabulary is not None:
        return Ids(sample, width)
    return Grid(sample, width, patch or max(2, sample.x.shape[-1] // 8))


def _all_of(x: Tensor) -> Tensor:
    return torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
