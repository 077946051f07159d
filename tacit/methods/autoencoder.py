"""Autoencoder: squeeze a sample into one vector and draw it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field
from torch import nn

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Method, Modality, Progress, Samples, Step, View


class Autoencoder(Method):
    """Learns a code from which the modality's decoder rebuilds the sample's values (for images: the pixels).

    The oldest of the methods and a sober floor: what rebuilds pixels well need not tell classes apart. On CIFAR-10,
    after five minutes on two cores, it is no better than an untrained network with few labels per class.
    """

    paper = "Hinton and Salakhutdinov 2006, Science 313; Masci et al. 2011, Stacked Convolutional Auto-Encoders"
    formula = "loss = mean (decode(code(x)) - target(x))^2"
    presets = {
        "default": {"optimiser": {"lr": 1e-3}},
        "paper": {
            "method": {"code": 30},
            "modality": {"weak": {"crop": [1.0, 1.0], "flip": 0.0}},
            "optimiser": {"name": "sgd", "lr": 0.05, "weight_decay": 0.0, "warmup": 0.0},
            "budget": {"epochs": 200},
        },
    }

    class Config(Named):
        name: Literal["autoencoder"] = "autoencoder"
        code: int = Field(default=128, ge=1, description="width of the code that the decoder sees")

    views = ("weak",)

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        assert modality.decoder is not None
        self.backbone = encoder
        self.target = modality.targets["values"]
        self.code = nn.Linear(encoder.dim, config.code)
        self.decode = modality.decoder(config.code, self.target.of(sample))

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, "targets:values", "decoder"))

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        (view,) = views
        target = self.target.of(view).flatten(1)
        drawn = self.decode(self.code(self.backbone(view).pooled)).float().flatten(1)
        loss = (drawn - target).square().mean(dim=1)
        # whoever has learnt nothing draws the batch's mean
        return Step(loss, (target - target.mean(dim=0)).square().mean())

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        truth = views[0][:count]
        drawn = self.target.paint(truth, self.decode(self.code(self.backbone(truth).pooled)))
        code = f"what it draws from {self.code.out_features} numbers"
        return [Exhibit("what it sees", truth), Exhibit(code, drawn)]
