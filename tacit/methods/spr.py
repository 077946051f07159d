"""SPR: predict from what is done how oneself will see the moments that follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.methods.similar import negatives, positive
from tacit.nn.actions import Actions
from tacit.nn.ema import EMA
from tacit.nn.heads import Embedder, mlp
from tacit.nn.standardise import over_batch
from tacit.schedule import young


class SPR(Method):
    """Learns features from which, step by step, what is done tells the features that follow.

    What a slow copy of itself makes of each of the next moments (`modality.ahead` of them) is the target; a moment
    with fewer moments after it is no sample, so that no prediction crosses the end of an episode. Features are
    predicted as they are pooled, where the paper convolves maps. What all targets of the batch have in common is
    taken off, which the paper does not: moments of one scene are so alike that else directions tell nothing of them.
    """

    paper = "Schwarzer et al. 2021, Data-Efficient RL with Self-Predictive Representations, arXiv 2007.05929, eq. 4"
    formula = (
        "loss = sum_{k=1..K} 1 - cos( q(p(z_k)), t(x_{t+k}) ),  z_0 = f(x_t), z_k = z_{k-1} + h(z_{k-1}, a_{t+k-1}),  "
        "t = teacher of p(f), standardised over the batch,  teacher <- m teacher + (1-m) student"
    )
    presets = {"default": {"optimiser": {"lr": 1e-3}, "usual_batch": 128}}
    views = ("strong", "strong")

    class Config(Named):
        name: Literal["spr"] = "spr"
        momentum: float = Field(default=0.99, ge=0, lt=1, description="share of itself that the teacher keeps a step")
        hidden: int = Field(default=512, ge=1, description="hidden width of projector, predictor and transition")
        out: int = Field(default=128, ge=1, description="width in which moments are compared")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.actions = Actions(sample, config.name)
        self.student = Embedder(encoder, mlp(encoder.dim, config.hidden, config.out))
        self.teacher = EMA(self.student)
        self.transition = mlp(encoder.dim + self.actions.width, config.hidden, encoder.dim)
        self.predictor = mlp(config.out, config.hidden, config.out)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, "moments"))

    @property
    def encoder(self) -> Encoder:
        return self.student.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        each = [1 - F.cosine_similarity(guess, truth) for guess, truth in self._guessed(views)]
        metrics = {f"ahead_{k}": loss.detach().mean() for k, loss in enumerate(each, 1)}
        return Step(torch.stack(each).sum(dim=0), float(len(each)), metrics)  # directions with nothing in common

    def _guessed(self, views: Sequence[View]) -> Iterator[tuple[Tensor, Tensor]]:
        """What is said of each of the next moments, and how the teacher sees it: `[B, out]` both, K times."""
        z, actions = self.student.encoder(views[0]).pooled, self.actions(views[0])
        truth = over_batch(torch.stack([self.teacher(views[1].after(k)) for k in range(1, actions.shape[1] + 1)]))
        for action, seen in zip(actions.unbind(dim=1), truth, strict=True):
            z = z + self.transition(torch.cat([z, action.to(z.dtype)], dim=1))
            yield self.predictor(self.student.head(z)).float(), seen

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        self.teacher.follow(self.student, young(progress, self.config.momentum))

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        *_, (guess, truth) = self._guessed(views)
        last = views[1].after(self.actions(views[1]).shape[1])
        cosine = F.normalize(guess[:count], dim=1) @ F.normalize(truth, dim=1).T
        own = torch.eye(count, cosine.shape[1], dtype=torch.bool, device=cosine.device)
        other = cosine.masked_fill(own, -1)
        return [
            Exhibit("a moment", views[0][:count]),
            positive("what follows", last[:count], cosine[own], other.amax(dim=1)),
            *negatives("as likely", other, lambda which: last[which]),
        ]
