"""I-JEPA: predict what a slow copy of oneself makes of parts that one has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Draws, Encoder, Method, Modality, Progress, Step, TokenEncoder, View
from tacit.losses.tokens import by_sample, token_loss
from tacit.methods.mae import that_drops
from tacit.nn.ema import EMA
from tacit.nn.masking import block, one_seen
from tacit.nn.predictor import Predictor
from tacit.nn.standardise import over_batch


def _ascending(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("the least and the most, so the smaller one comes first")
    return pair


Share = Annotated[float, Field(gt=0, le=1)]
Shares = Annotated[tuple[Share, Share], AfterValidator(_ascending)]
Ratio = Annotated[float, Field(gt=0)]
Ratios = Annotated[tuple[Ratio, Ratio], AfterValidator(_ascending)]


class IJEPA(Method):
    """Learns to predict a teacher's features of some blocks of a sample from what lies around them.

    Blocks are rectangles of images and runs of sequences. The encoder sees the context alone, the teacher, an average
    of its past, the whole sample; a light predictor is told the places of a block and says what the teacher makes of
    each. Nothing is asked of pixels or words. That all features become one is prevented by the teacher's slowness, by
    its getting no gradient, and by taking from its features, over the batch, what all tokens have in common, which the
    paper does not. What is learnt is the encoder, where the paper takes the teacher.
    """

    paper = "Assran et al. 2023, Image-based Joint-Embedding Predictive Architecture, arXiv 2301.08243"
    formula = (
        "loss = mean over blocks and t in block of |predictor(encoder(context), places)_t - teacher(all)_t|^2,  "
        "teacher <- m teacher + (1-m) encoder"
    )
    presets = {
        "default": {
            "encoder": {"name": "transformer"},
            "optimiser": {"lr": 1e-3, "weight_decay": 0.05, "clip": 1.0},
            "usual_batch": 64,
        },
    }
    views = ("weak",)

    class Config(Named):
        name: Literal["i-jepa"] = "i-jepa"
        blocks: int = Field(default=4, ge=1, le=64, description="that are predicted, each by itself")
        block: Shares = Field(default=(0.15, 0.2), description="share of the tokens in a block, at least and at most")
        aspect: Ratios = Field(default=(0.75, 1.5), description="height by width of a block of an image")
        context: Shares = Field(
            default=(0.85, 1.0), description="share of the tokens that are seen, if they are in no block"
        )
        momentum: float = Field(
            default=0.99, ge=0, lt=1, description="share of itself that the teacher keeps a step at first; 1 at the end"
        )
        layers: int = Field(default=2, ge=1, le=48, description="of the predictor")
        width: int = Field(default=64, ge=64, le=4096, multiple_of=64, description="of a token in the predictor")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.backbone = that_drops(encoder, config.name)
        self.teacher = EMA(self.backbone)
        self.predictor = Predictor(self.backbone.out, self.backbone.out, config.width, config.layers)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(cls.views)

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        with torch.no_grad():
            truth = features(self.teacher.model, views[0])
        return self._against(truth, views[0])

    def _against(self, truth: Tensor, view: View) -> Step:
        """The loss of predicting `truth [B, L, D']` of blocks of `view`."""
        config, draws = self.config, Draws.fresh(len(view), view.x.device)
        tokens = self.backbone.cut(view)
        blocks = [block(tokens, config.block, config.aspect, draws) for _ in range(config.blocks)]
        context = block(tokens, config.context, (1.0, 1.0), draws) & ~torch.stack(blocks).any(dim=0)
        hide = one_seen(tokens.valid & ~context, tokens, draws)
        seen = tokens.only(~hide)
        states, losses = self.backbone.layers(seen)[-1], []
        for asked in (each & hide for each in blocks):
            losses.append(by_sample(token_loss(self.predictor(states, seen, asked), truth[asked]), asked))
        with torch.no_grad():
            told = truth[torch.stack(blocks).any(dim=0) & hide]
            nothing = (told - told.mean(dim=0)).square().mean()  # who says the same of all says their mean
        return Step(torch.stack(losses).mean(dim=0), nothing)

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        # from its first step on the teacher is slow: one that keeps up with its student makes all tokens alike with it
        momentum = self.config.momentum + (1 - self.config.momentum) * progress.fraction
        self.teacher.follow(self.backbone, momentum)


def features(encoder: TokenEncoder, view: View) -> Tensor:
    """What `encoder` makes of each token of the whole `view`, `[B, L, D']`, each feature with mean 0 and variance 1."""
    tokens = encoder.cut(view)
    states = encoder.layers(tokens)[-1].float()
    return over_batch(states, states[tokens.valid])
