"""A bag of words: the mean of its words' vectors is what a text is, whatever their order."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Encoder, Features, View
from tacit.errors import UsageError

SPECIAL = 2
"""Ids that are no word: padding, and what is not in the vocabulary."""


class Bag(Encoder):
    """Vectors of words, averaged; frequent words count less (Mikolov et al. 2013, arXiv 1310.4546, equation 5).

    In training a word is left out at random as often as it says too little, afterwards it weighs as much as it was
    kept: the same mean, without the noise.
    """

    class Config(Named):
        name: Literal["bag"] = "bag"
        width: int = Field(default=300, ge=1, description="dimensions of a word's vector")
        common: float = Field(default=1e-4, gt=0, description="share of all words from which on one counts less")

    keep: Tensor

    def __init__(self, config: Config, sample: View) -> None:
        super().__init__()
        if sample.vocabulary is None:
            raise UsageError("encoder bag reads words, and these samples are none: choose another encoder")
        if sample.traits is not None:
            raise UsageError("encoder bag reads no features of items: leave --encoder or modality.features out")
        if sample.pauses is not None:
            raise UsageError("encoder bag reads items in no order: leave --encoder or modality.pauses out")
        self.dim = config.width
        self.words = nn.Embedding(sample.vocabulary, config.width)
        nn.init.normal_(self.words.weight, std=0.1)
        counts = torch.bincount(sample.x.flatten(), minlength=sample.vocabulary).float()
        counts[:SPECIAL] = 0
        share = counts / counts.sum().clamp_min(1)
        keep = (config.common / share).sqrt().clamp_max(1)
        keep[:SPECIAL] = 0
        self.register_buffer("keep", keep)

    def forward(self, view: View) -> Features:
        """`pooled [B, D]` of unit length; zeros for a text of which no word is known."""
        told = view.x >= SPECIAL if view.valid is None else view.valid & (view.x >= SPECIAL)
        ids, count = view.x[told], told.sum(dim=1)
        weight = self.keep[ids]
        if self.training:
            text = torch.repeat_interleave(count)
            drawn = torch.rand_like(weight) < weight
            left = torch.zeros_like(count).index_add_(0, text, drawn.long())
            drawn |= (left == 0)[text]  # no short text is left without words
            weight = torch.where((left == 0)[text], weight, 1.0)[drawn]
            ids, count = ids[drawn], torch.where(left == 0, count, left)
        starts = count.cumsum(0) - count
        vectors = self.words.weight
        summed = F.embedding_bag(ids, vectors, starts, mode="sum", per_sample_weights=weight.to(vectors))
        return Features(F.normalize(summed.float(), dim=1))
