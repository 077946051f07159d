"""MAE: say what was left out, with an encoder that computes nothing but what is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import Draws, Encoder, Method, Modality, Progress, Step, TokenEncoder, View
from tacit.errors import UsageError
from tacit.losses.tokens import by_sample
from tacit.methods.masked_prediction import of_tokens
from tacit.nn.goals import Own
from tacit.nn.masking import hidden_of, one_seen
from tacit.nn.predictor import Predictor


class MAE(Method):
    """Learns how parts of a sample go together from few of them, at a fraction of the work.

    Hidden tokens are left out, and the encoder computes the visible ones alone; a light decoder gets these back among
    mask tokens and says what the hidden ones hold. In `masked-prediction` the encoder computes all of them. What the
    stem tells of a sample as a whole stays known (`encoder.revin`, waves).
    """

    paper = "He et al. 2022, Masked Autoencoders Are Scalable Vision Learners, arXiv 2111.06377"
    formula = (
        "loss = mean over hidden t of |decoder(encoder(visible tokens))_t - target_t|^2,  or -log p(target_t | ...)"
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
        name: Literal["mae"] = "mae"
        share: float = Field(default=0.75, gt=0, lt=1, description="of the tokens that are hidden")
        span: int = Field(
            default=1, ge=1, description="neighbouring tokens that are hidden together; on a grid, the side of a square"
        )
        each: bool = Field(default=True, description="standardise values within their token")
        layers: int = Field(default=2, ge=1, le=48, description="of the decoder")
        width: int = Field(default=64, ge=64, le=4096, multiple_of=64, description="of a token in the decoder")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.backbone = that_drops(encoder, config.name)
        self.decoder = Predictor(self.backbone.out, self.backbone.out, config.width, config.layers)
        self.goal = Own(self.backbone, sample, config.each)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(cls.views)

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        config, draws = self.config, Draws.fresh(len(views[0]), views[0].x.device)
        tokens = self.backbone.cut(views[0])
        aim = self.goal(views[0], tokens)
        hide = one_seen(hidden_of(tokens, config.share, config.span, draws), tokens, draws)
        seen = tokens.only(~hide)
        said: Tensor = self.decoder(self.backbone.layers(seen)[-1], seen, hide)
        answers, target = aim.given_back(self.goal.answer(said, self.backbone), hide), aim.target[hide]
        nothing = self.goal.nothing_learnt(target).mean()
        return Step(by_sample(self.goal.loss(answers, target), hide), nothing)


def that_drops(encoder: Encoder, method: str) -> TokenEncoder:
    """The encoder as one that leaves out hidden tokens. Raises `UsageError` where it cannot."""
    backbone = of_tokens(encoder, method)
    if not backbone.drops:
        raise UsageError(
            f"method {method} leaves hidden tokens out, and {type(encoder).__name__} computes each from its neighbours "
            "and cannot: leave --encoder away, or write --encoder transformer"
        )
    return backbone
