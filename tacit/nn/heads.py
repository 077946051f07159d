"""Small networks on top of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tacit.core import Encoder, View, concatenate, uncounted
from tacit.nn.standardise import Standardise


def mlp(dim: int, hidden: int, out: int, *, norm: bool = True) -> nn.Sequential:
    """Linear, BatchNorm (where `norm`), ReLU, Linear: the projector of SimCLR and, without norm, of MoCo v2."""
    middle = [nn.BatchNorm1d(hidden)] if norm else []
    return nn.Sequential(nn.Linear(dim, hidden, bias=not norm), *middle, nn.ReLU(), nn.Linear(hidden, out))


def told_apart(dim: int, hidden: int, out: int) -> nn.Sequential:
    """`mlp` with what all samples have in common taken off (BatchNorm without weights, as behind SimSiam's projector):
    else all directions begin as nearly one, and what depends on directions begins with nothing to tell."""
    return nn.Sequential(*mlp(dim, hidden, out), nn.BatchNorm1d(out, affine=False))


def scores(features: Tensor, hidden: int, choices: int) -> nn.Sequential:
    """A score for each choice, from features such as those of a sample, `[B, D]`, by which they are standardised: what
    tells moments apart is little beside what all have in common. The norm keeps scores that learn from themselves from
    diverging (Gallici et al. 2024, Simplifying Deep Temporal Difference Learning, arXiv 2407.04811)."""
    return nn.Sequential(
        Standardise(features),
        nn.Linear(features.shape[1], hidden),
        nn.LayerNorm(hidden),
        nn.ReLU(),
        nn.Linear(hidden, choices),
    )


def pooled_of(encoder: Encoder, views: Sequence[View], full: int | None = None) -> Tensor:
    """What `encoder` makes of views, `[V, B, D]`: neighbouring ones of one shape are read as one batch.

    The first `full` views, all by default, are batches of their own, which alone count in the encoder's running
    statistics: a teacher that lives on these (see `EMA`) is shown nothing else.
    """
    own = len(views) if full is None else full
    pooled = []
    for (counts, _), group in groupby(enumerate(views), key=lambda at: (at[0] < own, at[1].x.shape[1:])):
        with nullcontext() if counts else uncounted(encoder):
            pooled.append(encoder(concatenate([view for _, view in group])).pooled)
    return torch.cat(pooled).view(len(views), len(views[0]), -1)


class Embedder(nn.Module):
    """An encoder and a head on its pooled features."""

    def __init__(self, encoder: Encoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, view: View) -> Tensor:
        """`[B, out]` float32: losses are computed in full precision whatever the encoder runs in."""
        out: Tensor = self.head(self.encoder(view).pooled)
        return out.float()

    def each(self, views: Sequence[View], full: int | None = None) -> Tensor:
        """`[V, B, out]`: neighbouring views of one shape go through the encoder as one batch, all through the head; for
        `full` see `pooled`."""
        return self.embedded(self.pooled(views, full))

    def pooled(self, views: Sequence[View], full: int | None = None) -> Tensor:
        """What the encoder makes of views, `[V, B, D]`, before the head; see `pooled_of`."""
        return pooled_of(self.encoder, views, full)

    def embedded(self, pooled: Tensor) -> Tensor:
        """What the head makes of `pooled [V, B, D]`, all views as one batch: `[V, B, out]` float32."""
        out: Tensor = self.head(pooled.flatten(0, 1))
        return out.float().view(*pooled.shape[:2], -1)


class Recogniser(nn.Module):
    """Says which transformation a sample has been through, from pieces that the encoder reads each on its own."""

    def __init__(self, encoder: Encoder, pieces: int, labels: int, hidden: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.pieces = pieces
        self.each = nn.Sequential(nn.Linear(encoder.dim, hidden), nn.ReLU())
        self.together = mlp(pieces * hidden, 2 * hidden, labels)

    def forward(self, shown: View) -> Tensor:
        """Logits `[B, labels]` float32 of the pieces `[B pieces, ...]`, sample by sample."""
        each = self.each(self.encoder(shown).pooled)
        out: Tensor = self.together(each.view(-1, self.pieces * each.shape[1]))
        return out.float()


class Vocabulary(nn.Module):
    """Which id a state means: its likeness to the vector that the encoder itself reads for each id.

    A layer and a norm, then the encoder's own table (Devlin et al. 2019; Press and Wolf 2017, arXiv 1608.05859).
    """

    def __init__(self, width: int, vocabulary: int) -> None:
        super().__init__()
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, states: Tensor, table: Tensor) -> Tensor:
        """Logits `[M, V]` of states `[M, D]`, by the vectors of all ids, `[V, D]`."""
        return F.linear(self.transform(states), table, self.bias)
