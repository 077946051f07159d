"""Inpainting: draw what is missing of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Draws, Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View
from tacit.errors import UsageError


class Inpainting(Method):
    """Learns how parts of samples go on, by filling a hole from what surrounds it.

    The squared error alone, without the paper's adversarial part, which sharpens what is drawn and adds little to the
    features. What is drawn where nothing was lost does not count.
    """

    paper = "Pathak et al. 2016, Context Encoders: Feature Learning by Inpainting, arXiv 1604.07379"
    formula = "loss = mean over lost cells of (draw(f(x without the hole)) - x)^2"
    presets = {
        "default": {"optimiser": {"lr": 1e-3}},
        "paper": {
            "encoder": {"name": "timm", "model": "resnet50"},
            "modality": {"size": 128, "weak": {"crop": [0.8, 1.0], "flip": 0.5}},
            "optimiser": {"name": "adamw", "lr": 2e-4, "weight_decay": 0.0, "warmup": 0.0},
            "batch": 64,
            "budget": {"epochs": 100},
        },
    }

    class Config(Named):
        name: Literal["inpainting"] = "inpainting"
        corruption: str = Field(default="holes", description="which of the modality's corruptions to undo")

    views = ("weak",)
    settles = True

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        assert modality.dense is not None
        self.backbone = encoder
        self.corrupt = modality.corruptions[config.corruption]
        if self.corrupt(sample[:2], Draws.fresh(2, sample.x.device)).valid is None:
            raise UsageError(
                f"corruption {config.corruption} loses nothing that could be filled in: use method denoising"
            )
        self.target = modality.targets["values"]
        self.draw = modality.dense(encoder, sample, self.target.of(sample).shape[1], 1)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, f"corruptions:{config.corruption}", "targets:values", "dense"))

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        (view,) = views
        truth = self.target.of(view)
        spoilt = self.corrupt(view, Draws.fresh(len(view), view.x.device))
        drawn = self.draw(self.backbone(spoilt))
        assert spoilt.valid is not None, "seen to when the method was built"
        lost = ~spoilt.valid
        loss = _over(lost, drawn - truth)
        return Step(loss, _over(lost, truth - truth.mean(dim=0)).mean())

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        truth = views[0][:count]
        seen = self.corrupt(truth, Draws.fresh(count, truth.x.device))
        drawn = self.target.paint(seen, self.draw(self.backbone(seen)))
        return [Exhibit("what it sees", seen), Exhibit("what it draws", drawn), Exhibit("the truth", truth)]


def _over(lost: Tensor, error: Tensor) -> Tensor:
    """The mean square of `error [B, C, *grid]` over the cells `lost [B, L]`: `[B]`."""
    square = error.flatten(2).square().mean(dim=1)
    return (square * lost).sum(dim=1) / lost.sum(dim=1).clamp_min(1)
