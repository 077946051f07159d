"""TS2Vec: a moment looks like itself, whatever is shown around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Draws, Encoder, Features, Method, Modality, Progress, Step, View
from tacit.errors import UsageError
from tacit.losses.hierarchical import hierarchical
from tacit.ranks import gathered, most


class TS2Vec(Method):
    """Learns to recognise each moment of a sample in another crop of it, among all other moments and samples.

    Both crops lack some of their moments, each its own, so that a moment has to be told by what is around it. What is
    learnt are tokens: one a moment, at every scale of time.
    """

    contrasts = True
    paper = "Yue et al. 2022, TS2Vec: Towards Universal Representation of Time Series, arXiv 2106.10466"
    formula = (
        "loss_it = -log( exp(r_it r'_it) / sum exp(r_it r_k) ),  k: other moments of i, or others at t;  mean over "
        "scales, each the maximum of two neighbours of the one before"
    )
    presets = {"default": {"optimiser": {"lr": 1e-3}, "usual_batch": 32}}
    views = ("weak", "weak")

    class Config(Named):
        name: Literal["ts2vec"] = "ts2vec"
        mask: float = Field(default=0.5, ge=0, lt=1, description="share of the moments of each crop that are hidden")
        samples: float = Field(
            default=0.5, ge=0, le=1, description="weight of the contrast with other samples; the rest: other moments"
        )

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.backbone = encoder

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, "gaps"))

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        draws = Draws.fresh(len(views[0]), views[0].x.device)
        first, second = (self._seen(_with_gaps(view, self.config.mask, draws)) for view in views)
        at, there, both = _aligned(first, second)
        longest = most(at.shape[1])
        at, there, both = (F.pad(each, (0, longest - each.shape[1])) for each in (at, there, both))
        (one, own), (other, _) = (gathered(tokens) for tokens in (_taken(first, at), _taken(second, there)))
        loss, nothing = hierarchical(one, other, gathered(both)[0], self.config.samples)
        return Step(loss[own], nothing.mean())

    def _seen(self, view: View) -> Features:
        found: Features = self.backbone(view)
        if found.tokens is None or found.where is None or found.valid is None:
            raise UsageError(
                f"method {self.config.name} tells moments apart, and {type(self.backbone).__name__} does not say which "
                "moment each of its tokens is of: leave --encoder away"
            )
        return found


def _with_gaps(view: View, share: float, draws: Draws) -> View:
    """The same view with a `share` of its steps hidden: all values are missing there, and the token still stands."""
    hide = draws.uniform(shape=view.x.shape[1:2], ragged=True) < share
    return replace(view, x=view.x.masked_fill(hide[..., None], torch.nan))


def _taken(features: Features, at: Tensor) -> Tensor:
    assert features.tokens is not None
    return features.tokens.gather(1, at[..., None].expand(-1, -1, features.tokens.shape[2]))


def _aligned(first: Features, second: Features) -> tuple[Tensor, Tensor, Tensor]:
    """The pairs of tokens of one moment, in the order of time: their places in both views, long `[B, T]`, and which
    of them there are, boolean `[B, T]`.

    Tokens are a pair when each is the other's nearest one, by half a token at most.
    """
    assert first.where is not None
    assert second.where is not None
    assert first.valid is not None
    assert second.valid is not None
    apart = (first.where[:, :, None] - second.where[:, None]).abs()
    apart = apart.masked_fill(~(first.valid[:, :, None] & second.valid[:, None]), torch.inf)
    near, partner = apart.min(dim=2)
    back = apart.argmin(dim=1).gather(1, partner)
    mine = torch.arange(partner.shape[1], device=partner.device)
    found = (near <= 0.5) & (back == mine)
    count = max(1, int(found.sum(dim=1).max()))
    at = found.logical_not().to(torch.uint8).argsort(dim=1, stable=True)[:, :count]
    return at, partner.gather(1, at), found.gather(1, at)
