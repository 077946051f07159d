"""Mix-up contrast: of what a mixture is made, and how much of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Encoder, Method, Modality, Progress, Step, View
from tacit.losses.contrastive import mixed_nce
from tacit.nn.heads import Embedder, mlp
from tacit.ranks import agreed, gathered


class MixUp(Method):
    """Learns to find, for the mixture of two series, both among all of the batch, each as far as it is in it.

    Nothing has to be known of what changes a series and leaves its meaning: other series are the only distortion.
    """

    contrasts = True
    paper = "Wickstrøm et al. 2022, Mixing up contrastive learning, arXiv 2203.09270 (TimeMCL)"
    formula = (
        "loss_i = -m log p_i - (1 - m) log p_j,  p_k = exp(s(x', k) / T) / sum_k exp(s(x', k) / T),  "
        "x' = m x_i + (1 - m) x_j,  m ~ Beta(a, a)"
    )
    presets = {"default": {"optimiser": {"lr": 1e-3}}}
    views = ("weak",)

    class Config(Named):
        name: Literal["mixup"] = "mixup"
        alpha: float = Field(
            default=0.2, gt=0, description="a of the shares' distribution: small is mostly one series, 1 is all alike"
        )
        temperature: float = Field(default=0.5, gt=0, description="divides the similarities")
        hidden: int = Field(default=128, ge=1, description="hidden width of the projector")
        out: int = Field(default=128, ge=1, description="width in which series are compared")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.embedder = Embedder(encoder, mlp(encoder.dim, config.hidden, config.out))

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, "gaps"))

    @property
    def encoder(self) -> Encoder:
        return self.embedder.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        (view,) = views
        x, own = gathered(view.x)
        whole = replace(view, x=x, valid=None if view.valid is None else gathered(view.valid)[0])
        share = torch.distributions.Beta(self.config.alpha, self.config.alpha).sample((len(x),)).to(x.device)
        partner = torch.arange(len(x), device=x.device).roll(1)  # the order of a batch is drawn already
        blend, share = mixture(whole, partner, agreed(share))
        assert blend.valid is not None, "a mixture says what it has"
        blend = replace(view, x=blend.x[own], valid=blend.valid[own])
        (keys, mixed), _ = gathered(self.embedder.each([view, blend]), dim=1)
        loss = mixed_nce(mixed, keys, partner, share, self.config.temperature)
        return Step(loss[own], nothing_learnt=torch.tensor(float(len(x))).log())


def mixture(view: View, partner: Tensor, share: Tensor) -> tuple[View, Tensor]:
    """Each series `[L, C]` of a view, mixed with that in the row `partner` (long `[B]`), and its share in that, `[B]`.

    What one of both lacks the mixture lacks. Where they have no step in common, a series stays alone, its share 1.
    """
    valid = torch.ones(view.x.shape[:2], dtype=torch.bool, device=view.x.device) if view.valid is None else view.valid
    part = share.to(view.x.dtype)[:, None, None]
    x = part * view.x + (1 - part) * view.x[partner]
    both = valid & valid[partner] & ~x.isnan().all(dim=2)
    met = both.any(dim=1)
    there = torch.where(met[:, None], both, valid)
    x = torch.where(met[:, None, None], x, view.x).where(there[..., None], 0.0)
    return replace(view, x=x, valid=there), share.where(met, 1.0)
