"""Inverse dynamics: tell what was done from what was seen before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.losses.moments import action_loss
from tacit.nn.actions import Actions
from tacit.nn.heads import mlp


class InverseDynamics(Method):
    """Learns what an agent changes by what it does, and to ignore what changes by itself.

    Of actions that are choices it tells which, of numbers their values, each in its own spread. Where `next` is more
    than a step ahead it tells the first of the actions between.
    """

    paper = "Pathak et al. 2017, Curiosity-driven Exploration by Self-supervised Prediction, arXiv 1705.05363, eq. 2"
    formula = "loss = -log p(a_t | f(t), f(t+1)),  or of numbers |answer - a_t|^2 / A"
    presets = {"default": {"optimiser": {"lr": 1e-3}, "usual_batch": 128}}
    views = ("plain", "next")

    class Config(Named):
        name: Literal["inverse-dynamics"] = "inverse-dynamics"
        hidden: int = Field(default=256, ge=1, description="hidden width of what answers")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.backbone = encoder
        self.actions = Actions(sample, config.name)
        self.head = mlp(2 * encoder.dim, config.hidden, self.actions.width)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, "moments"))

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        answer, action = self._answered(views)
        loss = action_loss(answer, action)
        right = (answer.argmax(dim=1) == action.int().argmax(dim=1)).float().mean()
        return Step(loss, self.actions.nothing, {"accuracy": right} if action.dtype == torch.bool else {})

    def _answered(self, views: Sequence[View]) -> tuple[Tensor, Tensor]:
        """What is said of the action and what it was, `[B, A]` each, numbers in their own spread."""
        pooled = torch.cat([self.backbone(view).pooled for view in views], dim=1)
        answer: Tensor = self.head(pooled).float()
        return answer, self.actions(views[0])[:, 0]

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        answer, action = self._answered(views)
        answer, action = answer[:count], action[:count]
        if action.dtype == torch.bool:
            p, guess = answer.softmax(dim=1).max(dim=1)
            truth = action.int().argmax(dim=1)
            said = [f"action {k}, p = {share:.2f}" for k, share in zip(guess.tolist(), p.tolist(), strict=True)]
            done, right = [f"action {k}" for k in truth.tolist()], (guess == truth).tolist()
        else:
            said, done = (_numbers(each * self.actions.std + self.actions.mean) for each in (answer, action))
            right = ((answer - action).square().mean(dim=1) < action.square().mean(dim=1)).tolist()
        return [
            Exhibit("a moment", views[0][:count], said),
            Exhibit("the one that follows", views[1][:count], done, right),
        ]


def _numbers(rows: Tensor) -> list[str]:
    return [", ".join(f"{value:.2f}" for value in row[:4]) for row in rows.tolist()]
