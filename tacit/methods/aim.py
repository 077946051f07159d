"""AIM: say what comes next behind a beginning of any length, which is seen from both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Draws, Encoder, Method, Modality, Progress, Step, View
from tacit.errors import UsageError
from tacit.losses.tokens import by_sample
from tacit.methods.masked_prediction import of_tokens
from tacit.nn.goals import Own
from tacit.nn.masking import beginning


class AIM(Method):
    """Learns how samples go on, token after token, with an encoder that sees all of a sample when it is used.

    Of each sample a beginning is drawn, whose tokens all see one another and are seen by all; those behind it see no
    future. So the encoder knows both, where that of `causal-prediction` never sees what comes later. What comes next
    is said by a network of its own, so that the encoder need not end in values.
    """

    paper = (
        "El-Nouby et al. 2024, Scalable Pre-training of Large Autoregressive Image Models, arXiv 2401.08541; the idea: "
        "Chen et al. 2020, Generative Pretraining from Pixels (iGPT)"
    )
    formula = (
        "loss = mean over t behind the beginning of |head(z_{t-1}) - target_t|^2,  z_t = encoder(beginning, tokens up "
        "to t)_t,  target_t standardised within its token"
    )
    presets = {
        "default": {
            "encoder": {"name": "transformer"},
            "optimiser": {"lr": 1e-3, "weight_decay": 0.05, "clip": 1.0},
            "usual_batch": 64,
        },
    }
    views = ("weak",)
    centred = True

    class Config(Named):
        name: Literal["aim"] = "aim"
        each: bool = Field(default=True, description="standardise values within their token")
        layers: int = Field(default=1, ge=0, le=48, description="of the network that says what comes next")
        width: int = Field(default=128, ge=1, le=8192, description="of its layers, which are four times as wide within")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.backbone = of_tokens(encoder, config.name)
        if not self.backbone.drops:
            raise UsageError(
                f"method aim says which tokens see which, and {type(encoder).__name__} computes each from its "
                "neighbours: leave --encoder away, or write --encoder transformer"
            )
        out, width = self.backbone.out, config.width
        self.think = nn.Sequential(
            nn.Linear(out, width), *(_Thought(width) for _ in range(config.layers)), nn.Linear(width, out)
        )
        self.goal = Own(self.backbone, sample, config.each)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, "values"))

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        tokens = self.backbone.cut(views[0])
        known = beginning(tokens, Draws.fresh(len(views[0]), views[0].x.device))
        states = self.backbone.layers(replace(tokens, known=known))[-1]
        aim = self.goal(views[0], tokens)
        asked = F.pad(tokens.followed(1) & ~known[:, 1:], (1, 0))  # [B, L], M times True
        before = asked.roll(-1, dims=1)
        answers = self.goal.answer(self.think(states[before]), self.backbone)
        answers, target = aim.given_back(answers, asked), aim.target[asked]
        return Step(by_sample(self.goal.loss(answers, target), asked), self.goal.nothing_learnt(target).mean())


class _Thought(nn.Module):
    """What a block of a transformer makes of a token that sees no other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """`[M, D]` -> `[M, D]`."""
        added: Tensor = self.body(x)
        return x + added
