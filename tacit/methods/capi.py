"""CAPI: say in which cluster a slow copy of oneself puts what one has not seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Draws, Encoder, Method, Modality, Progress, Step, Tokens, View
from tacit.losses.tokens import by_sample, perplexity
from tacit.methods.i_jepa import features
from tacit.methods.mae import that_drops
from tacit.nn.ema import EMA
from tacit.nn.masking import hidden_of, one_seen
from tacit.nn.predictor import Asker
from tacit.nn.prototypes import Prototypes, shared_by_place, shared_out
from tacit.ranks import gathered
from tacit.schedule import cosine


class CAPI(Method):
    """Learns to say, of tokens that are left out, in which cluster a teacher puts each, from those that are seen.

    The teacher, a slow average of the encoder, sees all tokens; which clusters of its tokens there are is learnt
    beside, by a loss of its own that moves the clusters alone: each is to take what it is given when tokens are shared
    out evenly. Masks look at what was seen and never at each other. Tokens are hidden by themselves, where the paper
    leaves one block seen. They are shared out over the whole batch, the paper's at each place (`places`), which asks
    for as many samples as clusters. Clusters are directions, and the teacher's tokens lose what all have in common,
    where the paper has a linear layer with a rate of its own.
    """

    paper = (
        "Darcet et al. 2025, Cluster and Predict Latent Patches for Improved Masked Image Modeling, arXiv 2502.08769"
    )
    formula = (
        "loss = mean over hidden u of -sum_k s(t_u)_k log softmax_k( cos(predictor(encoder(visible))_u, d_k) / T )  +  "
        "mean over all u of -sum_k s(t_u)_k log softmax_k( cos(t_u, c_k) / T ),  t = teacher(all tokens),  "
        "s = shares by Sinkhorn's rounds on cos(t, c)"
    )
    presets = {
        "default": {
            "encoder": {"name": "transformer"},
            "optimiser": {"lr": 1e-3, "weight_decay": 0.05, "clip": 1.0},
            "usual_batch": 64,
        },
    }
    views = ("weak",)

    class Config(Named):
        name: Literal["capi"] = "capi"
        share: float = Field(default=0.65, gt=0, lt=1, description="of the tokens that are hidden")
        clusters: int = Field(default=128, ge=2, description="that tokens are put into")
        temperature: float = Field(default=0.12, gt=0, description="divides the cosines by which clusters are named")
        sharing: float = Field(default=0.06, gt=0, description="temperature of sharing out tokens, lower")
        places: bool = Field(
            default=False,
            description="tokens are shared out at each place by itself: none of the clusters stands for a place then, "
            "and batches want as many samples as there are clusters",
        )
        momentum: float = Field(
            default=0.99, ge=0, lt=1, description="share of itself that the teacher keeps a step at first; 1 at the end"
        )
        layers: int = Field(default=2, ge=1, le=48, description="of the predictor")
        width: int = Field(default=64, ge=64, le=4096, multiple_of=64, description="of a token in the predictor")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.backbone = that_drops(encoder, config.name)
        self.teacher = EMA(self.backbone)
        self.predictor = Asker(self.backbone.out, config.width, config.layers)
        self.choices = Prototypes(config.width, config.clusters)
        self.clusters = Prototypes(self.backbone.out, config.clusters)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(cls.views)

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        config, view = self.config, views[0]
        draws = Draws.fresh(len(view), view.x.device)
        tokens = self.backbone.cut(view)
        hide = one_seen(hidden_of(tokens, config.share, 1, draws), tokens, draws)
        with torch.no_grad():
            told = features(self.teacher.model, view)[tokens.valid]
        near = self.clusters(told)  # [T, K], of all valid tokens
        shares = self._shares(near, tokens)
        seen = tokens.only(~hide)
        said = self.choices(self.predictor(self.backbone.layers(seen)[-1], seen, hide))  # [M, K], of those hidden
        found = by_sample(self._against(shares[hide[tokens.valid]], said), hide)
        put = by_sample(self._against(shares, near), tokens.valid)
        metrics = {
            "of_hidden": found.detach().mean(),
            "of_clusters": put.detach().mean(),
            "clusters_used": perplexity(shares.sum(dim=0)),
        }
        return Step(found + put, 2 * math.log(config.clusters), metrics)

    @torch.no_grad()
    def _shares(self, near: Tensor, tokens: Tokens) -> Tensor:
        """What each of T valid tokens is given of each cluster, `[T, K]`, by its cosines `near` to them."""
        config, valid = self.config, tokens.valid
        if not config.places:
            whole, own = gathered(near)
            return shared_out(whole, config.sharing)[own]
        wide = near.new_zeros(*valid.shape, near.shape[1])
        wide[valid] = near
        each, real = (x.reshape(len(x) * tokens.rows, -1, *x.shape[2:]) for x in (wide, valid))
        return shared_by_place(each, real, config.sharing).reshape(wide.shape)[valid]

    def _against(self, shares: Tensor, cosines: Tensor) -> Tensor:
        """The cross-entropy of naming each token's clusters, `[M]`; `[M, K]` each."""
        return F.cross_entropy(cosines / self.config.temperature, shares, reduction="none")

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        # slow from its first step on, as the teacher of `i-jepa` is, and for the same reason
        self.teacher.follow(self.backbone, cosine(progress, self.config.momentum, 1.0))
