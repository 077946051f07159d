"""TSDAE: write a text whole from one vector of what is left of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Draws, Encoder, Method, Modality, Progress, Step, View
from tacit.methods.denoising_seq2seq import counts_of, reader, retold
from tacit.nn.decoder import Decoder, Memory
from tacit.view import packed


class TSDAE(Method):
    """Learns one vector a text from which the text can be written, though most of its words were not read.

    The decoder looks at nothing else than that vector, so that all that a text says has to go through it.
    """

    paper = "Wang et al. 2021, TSDAE, arXiv 2104.06979"
    formula = "loss = mean over t of  -log p(token_t | tokens before t, mean of encoder(tokens without 60 %))"
    presets = {
        "default": {
            "encoder": {"name": "transformer"},
            "optimiser": {"lr": 2e-3, "weight_decay": 0.01, "clip": 1.0},
            "usual_batch": 64,
        },
        "paper": {
            "method": {"layers": 12},
            "encoder": {"size": "base"},
            "optimiser": {"lr": 3e-5, "weight_decay": 0.0},
            "batch": 8,
        },
    }
    views = ("weak",)
    centred = True

    class Config(Named):
        name: Literal["tsdae"] = "tsdae"
        corruption: str = Field(default="deletion", description="of the modality")
        layers: int = Field(default=1, ge=1, le=48, description="of the decoder")
        dropout: float = Field(default=0.0, ge=0, lt=1, description="in the decoder")

    counts: Tensor

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.backbone = reader(encoder, config.name)
        self.corrupt = modality.corruptions[config.corruption]
        self.decoder = Decoder(self.backbone.width, encoder.dim, config.layers, config.dropout)
        self.register_buffer("counts", counts_of(sample, ends=True))

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, f"corruptions:{config.corruption}"))

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        view = packed(views[0])
        spoilt = self.corrupt(view, Draws.fresh(len(view), view.x.device))
        return retold(self.decoder, view, Memory.pooled(self.backbone(spoilt)), self.counts)
