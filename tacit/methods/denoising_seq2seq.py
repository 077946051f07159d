"""Denoising, sequence to sequence: write a text whole that was read with gaps and out of order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Draws, Encoder, Method, Modality, Progress, Step, TokenEncoder, View
from tacit.errors import UsageError
from tacit.losses.tokens import by_sample, token_loss, unigram_loss
from tacit.methods.masked_prediction import of_tokens
from tacit.nn.decoder import Decoder, Memory
from tacit.view import MARK, packed


class DenoisingSeq2Seq(Method):
    """Learns to write a text from what is left of it.

    A decoder writes token by token, and looks at what the encoder has made of the spoilt text. The two are what
    `tacit finetune --task translate` starts from.
    """

    paper = "Lewis et al. 2020, BART, arXiv 1910.13461"
    formula = "loss = mean over t of  -log p(token_t | tokens before t, encoder(spoilt tokens))"
    presets = {
        "default": {
            "encoder": {"name": "transformer"},
            "optimiser": {"lr": 2e-3, "weight_decay": 0.01, "clip": 1.0},
            "usual_batch": 64,
        },
        "bart": {
            "method": {"layers": 12, "dropout": 0.1},
            "encoder": {"size": "base", "dropout": 0.1},
            "modality": {"weak": {"tokens": 512}},
            "optimiser": {"lr": 4e-4, "weight_decay": 0.01, "clip": 0.1},
            "batch": 8000,
        },
    }
    views = ("weak",)
    centred = True

    class Config(Named):
        name: Literal["denoising-seq2seq"] = "denoising-seq2seq"
        corruptions: tuple[str, ...] = Field(
            default=("permutation", "infilling"), min_length=1, description="of the modality, one after the other"
        )
        layers: int = Field(default=2, ge=1, le=48, description="of the decoder")
        dropout: float = Field(default=0.0, ge=0, lt=1, description="in the decoder")

    counts: Tensor

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.backbone = reader(encoder, config.name)
        self.corrupt = [modality.corruptions[name] for name in config.corruptions]
        self.decoder = Decoder(self.backbone.width, self.backbone.width, config.layers, config.dropout)
        self.register_buffer("counts", counts_of(sample, ends=True))

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, *(f"corruptions:{name}" for name in config.corruptions)))

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        view = spoilt = packed(views[0])
        for corrupt in self.corrupt:
            spoilt = corrupt(spoilt, Draws.fresh(len(view), view.x.device))
        return retold(self.decoder, view, Memory.of(self.backbone(spoilt)), self.counts)


def reader(encoder: Encoder, method: str) -> TokenEncoder:
    """The encoder as one that reads ids from both sides. Raises `UsageError` where it does not."""
    backbone = of_tokens(encoder, method)
    if backbone.causal or backbone.table is None:
        raise UsageError(
            f"method {method} reads texts from both sides, and an encoder that sees no future, or no ids, cannot: "
            "leave --encoder and encoder.causal away"
        )
    return backbone


def counts_of(sample: View, *, ends: bool) -> Tensor:
    """How often each id stands in `sample`, float `[V]`; `ends`: with the end of each text."""
    assert sample.vocabulary is not None
    told = sample.x if sample.valid is None else sample.x[sample.valid]
    counts = torch.bincount(told.flatten(), minlength=sample.vocabulary).float()
    if ends:
        counts[MARK] += len(sample)
    return counts


def retold(decoder: Decoder, view: View, memory: Memory, counts: Tensor) -> Step:
    """The loss of writing the packed `view` from `memory`; nothing learnt: knowing how often ids occur (`counts`)."""
    assert view.valid is not None
    told = decoder(view.x, view.valid, memory)
    losses = token_loss(told.logits, told.wanted)
    return Step(by_sample(losses, told.asked), unigram_loss(counts, told.wanted).mean())
