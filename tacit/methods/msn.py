"""MSN: choose from a few parts of a sample what a slow copy of oneself chooses from another view, all of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Draws, Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.losses.evenness import crowding
from tacit.methods.masked_prediction import of_tokens
from tacit.methods.similar import kinds_of, recognised
from tacit.nn.ema import EMA
from tacit.nn.heads import Embedder, told_apart
from tacit.nn.masking import covered, hidden_of, one_seen
from tacit.nn.prototypes import Prototypes, swapped
from tacit.nn.standardise import over_batch
from tacit.ranks import gathered
from tacit.schedule import cosine, young


class MSN(Method):
    """Learns to make of the tokens that are left of one view the choice that a teacher makes of a whole other one.

    Hidden tokens are left out, and cost nothing; an encoder that cannot leave them out reads a mask in their place. The
    teacher, a slow copy, is surer than its student, and is compared with the same prototypes, which learn from the
    student alone. That all samples make one choice is prevented by a price on choices that are made oftener than others
    over the batch; nothing is shared out. As in `dino`, what the teacher says loses what all samples of the batch have
    in common, which the paper does without. Either view is hidden in and told by the other; in the paper one is.
    """

    paper = "Assran et al. 2022, Masked Siamese Networks for Label-Efficient Learning, arXiv 2204.07141"
    formula = (
        "loss = mean_{v != w} -sum_k q(t_w)_k log p(z_v)_k + weight sum_k P_k log(K P_k),  p, q = softmax( cos(., c) / "
        "T ) with a lower T for q,  z_v of what is not hidden,  P = mean p,  teacher <- m teacher + (1-m) student"
    )
    presets = {
        "default": {
            "encoder": {"name": "transformer"},
            "optimiser": {"lr": 1e-3, "weight_decay": 0.05, "clip": 1.0},
            "usual_batch": 64,
        },
    }

    class Config(Named):
        name: Literal["msn"] = "msn"
        share: float = Field(default=0.15, gt=0, lt=1, description="of the student's tokens that are left out")
        choices: int = Field(default=256, ge=2, description="prototypes; more than there are classes")
        temperature: float = Field(default=0.1, gt=0, description="divides the student's cosines to the prototypes")
        sure: float = Field(default=0.025, gt=0, description="divides the teacher's, lower")
        weight: float = Field(
            default=1.0, ge=0, description="of the price on choices that are made oftener than others"
        )
        momentum: float = Field(
            default=0.99, ge=0, lt=1, description="share of itself that the teacher keeps a step at first; 1 at the end"
        )
        hidden: int = Field(default=512, ge=1, description="hidden width of the projector")
        out: int = Field(default=128, ge=1, description="width of what choices are directions in")
        local: int = Field(default=0, ge=0, description="small crops a sample, whole ones, beside two full views")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.views = kinds_of(config.local, full=2)
        head = told_apart(encoder.dim, config.hidden, config.out)
        backbone = of_tokens(encoder, config.name)
        self.mask = None if backbone.drops else nn.Parameter(torch.randn(backbone.width) * 0.02)
        self.student = Embedder(backbone, head)
        self.prototypes = Prototypes(config.out, config.choices)
        self.teacher = EMA(self.student)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(kinds_of(config.local, full=2))

    @property
    def encoder(self) -> Encoder:
        return self.student.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        config = self.config
        pooled = [self._parts(view) for view in views[:2]]
        if config.local:
            pooled.extend(self.student.pooled(views[2:], full=0))
        z = self.student.head(torch.cat(pooled)).float().view(len(views), len(views[0]), -1)
        likely = (self.prototypes(z) / config.temperature).log_softmax(dim=2)  # [V, B, choices]
        whole, own = gathered(likely, dim=1)
        price = crowding(whole)[own]
        loss = swapped(self._sure(views[:2]), likely) + config.weight * price
        return Step(loss, math.log(config.choices), {"crowding": price.detach().mean()})

    def _parts(self, view: View) -> Tensor:
        """What the encoder makes of what is left of `view`: `[B, dim]`."""
        backbone, draws = of_tokens(self.encoder, self.config.name), Draws.fresh(len(view), view.x.device)
        tokens = backbone.cut(view)
        hide = one_seen(hidden_of(tokens, self.config.share, 1, draws), tokens, draws)
        seen = tokens.only(~hide) if self.mask is None else covered(tokens, hide, self.mask, 0.0, 0.0, draws)
        return backbone.pool(seen, backbone.layers(seen)[-1])

    @torch.no_grad()
    def _sure(self, views: Sequence[View]) -> Tensor:
        """How likely the teacher finds each choice in each of the full views: `[2, B, choices]`."""
        said = self.prototypes(over_batch(torch.stack([self.teacher(view) for view in views])))
        sure: Tensor = (said / self.config.sure).softmax(dim=2)
        return sure

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        momentum = young(progress, cosine(progress, self.config.momentum, 1.0))
        self.teacher.follow(self.student, momentum)

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.student.each(views), views, count)
