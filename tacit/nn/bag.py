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
        weight = self.keep[view.x]
        if view.valid is not None:
            weight = weight * view.valid
        if self.training:
            drawn = (torch.rand_like(weight) < weight).float()
            weight = torch.where(drawn.any(dim=1, keepdim=True), drawn, weight)  # no short text is left without words
        told = weight > 0
        ends = told.sum(dim=1).cumsum(0)
        starts = torch.cat([ends.new_zeros(1), ends[:-1]])
        summed = F.embedding_bag(
            view.x[told], self.words.weight, starts, mode="sum", per_sample_weights=weight[told].to(self.words.weight)
        )
        return Features(F.normalize(summed.float(), dim=1))
