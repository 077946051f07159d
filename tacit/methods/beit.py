"""BEiT: say which code of a tokenizer stands for each hidden token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Draws, Encoder, Method, Modality, Progress, Step, View
from tacit.losses.tokens import by_sample
from tacit.methods.masked_prediction import of_tokens
from tacit.nn.goals import Tokenized
from tacit.nn.masking import blocks, covered


class BEiT(Method):
    """Learns how parts of a sample go together by naming hidden ones, several blocks of neighbours, as one of a few
    hundred shapes.

    Which shapes there are, a tokenizer learns beside: k-means of what tokens hold, whitened and of length one, which
    follows the data from batch to batch, as BEiT v2's codebook does. The papers' tokenizers are networks that were
    trained before, on 250 million pictures with captions, or by one that was.
    """

    paper = (
        "Bao et al. 2022, BEiT: BERT Pre-Training of Image Transformers, arXiv 2106.08254; the codebook: Peng et al. "
        "2022, BEiT v2, arXiv 2208.06366"
    )
    formula = (
        "loss = mean over hidden t of -log p(code_t | what is not hidden),  code_t = argmin_k |w_t / |w_t| - c_k|,  "
        "w = what tokens hold, whitened,  c = k-means of w / |w|"
    )
    presets = {
        "default": {
            "encoder": {"name": "transformer"},
            "optimiser": {"lr": 1e-3, "weight_decay": 0.05, "clip": 1.0},
            "usual_batch": 64,
        },
    }
    views = ("weak",)
    centred = True

    class Config(Named):
        name: Literal["beit"] = "beit"
        share: float = Field(default=0.4, gt=0, lt=1, description="of the tokens that are hidden, in several blocks")
        codes: int = Field(default=256, ge=2, description="of the tokenizer")
        each: bool = Field(default=True, description="the tokenizer reads values standardised within their token")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.backbone = of_tokens(encoder, config.name)
        self.mask = nn.Parameter(torch.randn(self.backbone.width) * 0.02)
        self.goal = Tokenized(self.backbone, sample, config.codes, config.each)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, "values"))

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        draws = Draws.fresh(len(views[0]), views[0].x.device)
        tokens = self.backbone.cut(views[0])
        aim = self.goal(views[0], tokens)
        hide = blocks(tokens, self.config.share, draws)
        seen = covered(tokens, hide, self.mask, 0.0, 0.0, draws)
        answers = self.goal.answer(self.backbone.layers(seen)[-1][hide], self.backbone)  # [M, K]
        target = aim.target[hide]
        nothing = self.goal.nothing_learnt(target).mean()
        return Step(by_sample(self.goal.loss(answers, target), hide), nothing, self.goal.metrics(), aim.carry)

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        self.goal.update(carry, self.backbone, progress)
