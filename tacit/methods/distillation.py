"""Distillation: say what another encoder makes of a sample, a larger or slower one, of which no label is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import TEACHER, Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.errors import UsageError
from tacit.nn.heads import Embedder

_SAME = 1e-6


class Distillation(Method):
    """Learns to point the way that a teacher's features of the same sample point, through one linear layer.

    The teacher is any encoder on disk (`--teacher`). It sees whole samples as it was made to read them, once, before
    training; the student sees a view of them by its own layout, and may be of another architecture, width and
    vocabulary. What all of the teacher's features have in common is taken off, since it says nothing of a sample.
    """

    paper = (
        "Romero et al. 2015, FitNets, arXiv 1412.6550: features as hints; by their direction alone, as in Ranzinger et "
        "al. 2024, AM-RADIO, arXiv 2312.06709"
    )
    formula = "loss = 1 - cos( W f(v) + b, g(x) - mean ),  g = the teacher, frozen, v = a view of x"
    presets = {"default": {"optimiser": {"lr": 4e-3}}}
    views = ("weak",)
    mean: Tensor

    class Config(Named):
        name: Literal["distillation"] = "distillation"

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        if sample.taught is None:
            raise UsageError(
                "method distillation learns what a teacher makes of samples, and there is none here: learn by it in "
                "`tacit train --teacher PATH`"
            )
        about = sample.taught - sample.taught.mean(dim=0)
        if float(about.abs().amax()) <= _SAME * float(sample.taught.abs().amax()):
            raise UsageError("the teacher makes the same of all samples: give one that tells them apart")
        # one layer, so that what can be read from the teacher by a linear probe can be read from the student as well
        self.student = Embedder(encoder, nn.Linear(encoder.dim, sample.taught.shape[1]))
        self.register_buffer("mean", sample.taught.mean(dim=0))

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, TEACHER))

    @property
    def encoder(self) -> Encoder:
        return self.student.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        said, wanted = self._directions(views)
        return Step(1 - (said * wanted).sum(dim=1), 1.0)  # a direction that has nothing to do with the sample

    def _directions(self, views: Sequence[View]) -> tuple[Tensor, Tensor]:
        """Which way the student says that the teacher's features point, and which way they do, `[B, D]` each."""
        (view,) = views
        assert view.taught is not None, "samples that are trained on are those that the method was built for"
        return F.normalize(self.student(view), dim=1), F.normalize(view.taught.float() - self.mean, dim=1)

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        (view,) = views
        said, wanted = self._directions(views)
        own = torch.eye(count, len(view), dtype=torch.bool, device=said.device)
        theirs, mine = ((z[:count] @ z.T).masked_fill(own, -1).argmax(dim=1) for z in (wanted, said))
        agreed = [f"cosine {value:.2f}" for value in (said * wanted).sum(dim=1)[:count].tolist()]
        return [
            Exhibit("the sample, student to teacher", view[:count], agreed),
            Exhibit("nearest to the teacher", view[theirs]),
            Exhibit("nearest to the student", view[mine], right=(mine == theirs).tolist()),
        ]
