"""A forward model: predict the features of what comes of an action, and keep of a moment what an agent can change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.losses.moments import action_loss
from tacit.nn.actions import Actions
from tacit.nn.heads import mlp


class ForwardModel(Method):
    """Learns features that tell what was done, and that can be told from what was done: ICM.

    The error of the features that follow is what a curious agent is paid (`Step.surprise`). Telling actions keeps
    features from becoming all alike, and from what no action changes; each moment's features are standardised, since
    small ones would be easy to predict. Where `next` is more than a step ahead, the first of the actions counts.
    """

    paper = "Pathak et al. 2017, Curiosity-driven Exploration by Self-supervised Prediction, arXiv 1705.05363, eq. 2-7"
    formula = (
        "loss = (1 - b) inverse + b |g(f(t), a_t) - f(t+1)|^2 / D,  inverse = -log p(a_t | f(t), f(t+1)),  "
        "f = features, standardised"
    )
    presets = {"default": {"optimiser": {"lr": 1e-3}, "usual_batch": 128}}
    views = ("plain", "next")

    class Config(Named):
        name: Literal["forward-model"] = "forward-model"
        weight: float = Field(
            default=0.2, gt=0, lt=1, description="b, of the forward model; the inverse one has what is left"
        )
        hidden: int = Field(default=256, ge=1, description="hidden width of both models")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.backbone = encoder
        self.actions = Actions(sample, config.name)
        # no BatchNorm: what a step is worth must not depend on the steps that it is asked with
        self.inverse = mlp(2 * encoder.dim, config.hidden, self.actions.width, norm=False)
        self.ahead = mlp(encoder.dim + self.actions.width, config.hidden, encoder.dim, norm=False)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, "moments"))

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        now, later = (self._features(view) for view in views)
        action = self.actions(views[0])[:, 0]
        inverse = action_loss(self.inverse(torch.cat([now, later], dim=1)).float(), action)
        error = (self._guess(now, action) - later).square().mean(dim=1)
        b = self.config.weight
        return Step(
            (1 - b) * inverse + b * error,
            (1 - b) * self.actions.nothing + b,  # standardised features lie 1 from their mean
            {"inverse": inverse.detach().mean(), "forward": error.detach().mean()},
            surprise=error.detach(),
        )

    def _features(self, view: View) -> Tensor:
        """`[B, D]`, of mean 0 and variance 1 in each moment."""
        pooled = self.backbone(view).pooled.float()
        return F.layer_norm(pooled, pooled.shape[1:])

    def _guess(self, now: Tensor, action: Tensor) -> Tensor:
        out: Tensor = self.ahead(torch.cat([now, action.to(now.dtype)], dim=1))
        return out.float()

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        now, later = (self._features(view) for view in views)
        guess = self._guess(now, self.actions(views[0])[:, 0])
        error = (guess - later).square().mean(dim=1)[:count]
        still = (now - later).square().mean(dim=1)[:count]
        captions = [f"error {value:.3f}" for value in error.tolist()]
        return [
            Exhibit("a moment", views[0][:count]),
            Exhibit("the one that follows", views[1][:count], captions, (error < still).tolist()),
        ]
