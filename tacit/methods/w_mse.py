"""W-MSE: views of a sample agree once the batch is whitened, which cannot be done to one point for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from tacit.config import Named
from tacit.core import Draws, Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.errors import UsageError
from tacit.losses.whitening import whitened_apart
from tacit.methods.similar import kinds_of, recognised
from tacit.nn.heads import Embedder, mlp
from tacit.ranks import gathered

FEWEST = 4
"""Samples of which two features can be whitened: one feature has no direction but its sign."""


class WMSE(Method):
    """Learns embeddings that, once their covariance over the batch is made the identity, are the same in all views.

    There are no negatives, no teacher and no price: whitening leaves no room for one point, nor for features that
    repeat each other. It is done in random sub-batches of twice as many samples as features, several times, since what
    so few samples make of a covariance differs; of smaller batches the first features alone are whitened.
    """

    paper = "Ermolov et al. 2021, Whitening for Self-Supervised Representation Learning, arXiv 2007.06346"
    formula = (
        "loss = 2 - 2 cos(w, w'),  w = L^-1 (z - mean z),  L L^T = Cov(z) over a sub-batch,  mean over pairs of views"
    )
    presets = {"default": {"optimiser": {"lr": 2e-3}}}

    class Config(Named):
        name: Literal["w-mse"] = "w-mse"
        seen: int = Field(default=2, ge=2, description="views of a sample, each pair of which is to agree")
        rounds: int = Field(default=4, ge=1, description="times that a batch of several sub-batches is divided anew")
        shrinkage: float = Field(default=1e-3, gt=0, lt=1, description="share of the mean variance in the covariance")
        hidden: int = Field(default=512, ge=1, description="hidden width of the projector")
        out: int = Field(
            default=64, ge=2, description="features that are whitened; of a smaller batch half as many as its samples"
        )

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.views = kinds_of(0, full=config.seen)
        self.embedder = Embedder(encoder, mlp(encoder.dim, config.hidden, config.out))

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(kinds_of(0))

    @property
    def encoder(self) -> Encoder:
        return self.embedder.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        (z, own), config = gathered(self.embedder.each(views), dim=1), self.config  # [V, B, out]
        batch = z.shape[1]
        if batch < FEWEST:
            raise UsageError(
                f"method w-mse whitens samples that are seen together, {FEWEST} or more, better {4 * config.out}; here "
                f"are {batch}: give a larger --batch or fewer accumulate, for data of fewer samples another method"
            )
        rounds = config.rounds if batch >= 4 * config.out else 1  # one sub-batch is the same in any order
        orders = Draws.common(rounds, z.device).uniform(shape=(batch,)).argsort(dim=1, stable=True)
        return Step(whitened_apart(z, orders, config.shrinkage)[own], nothing_learnt=2.0)

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.embedder.each(views), views, count)
