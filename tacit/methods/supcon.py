"""SupCon: simclr with labels, all views of a class attract, all other classes repel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import LABELS, Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.errors import UsageError
from tacit.losses.contrastive import sup_con
from tacit.methods.similar import kinds_of, recognised
from tacit.nn.heads import Embedder, mlp
from tacit.ranks import gathered


class SupCon(Method):
    """Learns to recognise what class a sample is of, by what its views share with those of all others of the class.

    The one method that learns from labels. A sample without one attracts its own views alone, as in `simclr`, so that
    few labels and many samples go together; where no batch holds two of a class, nothing is learnt of labels. With
    `local` views each sample is seen once at full size and several times as a small crop.
    """

    paper = "Khosla et al. 2020, Supervised Contrastive Learning, arXiv 2004.11362"
    formula = (
        "loss_i = -mean_{p of i's class, p != i} log( exp(s(i, p) / T) / sum_{k != i} exp(s(i, k) / T) ),  s = cosine"
    )
    presets = {"default": {"method": {"local": 4}, "optimiser": {"lr": 3e-3}}}

    class Config(Named):
        name: Literal["supcon"] = "supcon"
        temperature: float = Field(default=0.1, gt=0, description="divides the similarities; small looks at near ones")
        hidden: int = Field(default=512, ge=1, description="hidden width of the projector")
        out: int = Field(default=128, ge=1, description="width in which views are compared")
        local: int = Field(default=0, ge=0, description="small crops a sample beside one full view; 0: two full views")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        if sample.label is None:
            raise UsageError(
                "method supcon learns from labels, and there are none here: learn by it in `tacit train`, or in Python "
                "from the parts of `dataset.labelled()`"
            )
        self.config = config
        self.views = kinds_of(config.local)
        self.embedder = Embedder(encoder, mlp(encoder.dim, config.hidden, config.out))

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*kinds_of(config.local), LABELS))

    @property
    def encoder(self) -> Encoder:
        return self.embedder.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        z, own = gathered(self.embedder.each(views), dim=1)  # [V, B, out]
        label, _ = gathered(_labels(views))
        loss = sup_con(z, self.config.temperature, label)
        return Step(loss[own], nothing_learnt=math.log(z[..., 0].numel() - 1))

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        return recognised(self.embedder.each(views), views, count, _labels(views))


def _labels(views: Sequence[View]) -> Tensor:
    """Long `[B]`, -1 for none."""
    label = views[0].label
    assert label is not None, "samples that are trained on are those that the method was built for"
    return label
