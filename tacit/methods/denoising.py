"""Denoising: mend a sample that was spoilt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from tacit.config import Named
from tacit.core import Draws, Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View


class Denoising(Method):
    """Learns what samples look like by drawing them whole from what noise has left of them.

    Noise leaves nothing to copy: what is drawn has to come from what neighbouring values, and samples at large, have
    in common.
    """

    paper = "Vincent et al. 2010, Stacked Denoising Autoencoders, JMLR 11; Vincent et al. 2008, ICML"
    formula = "loss = mean (draw(f(x + noise)) - x)^2"
    presets = {
        "default": {"optimiser": {"lr": 1e-3}},
        "paper": {
            "modality": {"weak": {"crop": [1.0, 1.0], "flip": 0.0}},
            "optimiser": {"name": "sgd", "lr": 0.05, "weight_decay": 0.0, "warmup": 0.0},
            "budget": {"epochs": 200},
        },
    }

    class Config(Named):
        name: Literal["denoising"] = "denoising"
        corruption: str = Field(default="noise", description="which of the modality's corruptions to undo")

    views = ("weak",)

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        assert modality.dense is not None
        self.backbone = encoder
        self.corrupt = modality.corruptions[config.corruption]
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
        truth = self.target.of(view).flatten(1)
        spoilt = self.corrupt(view, Draws.fresh(len(view), view.x.device))
        drawn = self.draw(self.backbone(spoilt)).flatten(1)
        # whoever has learnt nothing draws the batch's mean
        return Step((drawn - truth).square().mean(dim=1), (truth - truth.mean(dim=0)).square().mean())

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        truth = views[0][:count]
        seen = self.corrupt(truth, Draws.fresh(count, truth.x.device))
        drawn = self.target.paint(seen, self.draw(self.backbone(seen)))
        return [Exhibit("what it sees", seen), Exhibit("what it draws", drawn), Exhibit("the truth", truth)]
