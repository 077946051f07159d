"""Masked prediction: say what stands where something is hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Draws, Encoder, Method, Modality, Progress, Step, TokenEncoder, View
from tacit.errors import UsageError
from tacit.losses.tokens import by_sample
from tacit.nn.goals import Clustered, Goal, Own, Projected, Taught
from tacit.nn.masking import covered, hidden_of


class MaskedPrediction(Method):
    """Learns how parts of a sample go together by filling gaps, from both sides.

    What is to be said of a hidden token is a setting, and papers differ by it: what it holds (the words of BERT, the
    patches of SimMIM), a code of a random projection (BEST-RQ), a cluster (HuBERT), what a teacher makes of it
    (data2vec).
    """

    paper = "Devlin et al. 2019, BERT, arXiv 1810.04805; Xie et al. 2022, SimMIM; Hsu et al. 2021, HuBERT; see presets"
    formula = "loss = mean over hidden t of  -log p(target_t | what is not hidden),  or |answer_t - target_t|^2"
    presets = {
        "default": {
            "encoder": {"name": "transformer"},
            "optimiser": {"lr": 1e-3, "weight_decay": 0.01, "clip": 1.0},
            "usual_batch": 64,
        },
        "bert": {"method": {"share": 0.15}, "encoder": {"size": "base"}, "optimiser": {"lr": 1e-4}, "batch": 256},
        "modernbert": {"method": {"share": 0.3}, "encoder": {"size": "base"}, "optimiser": {"lr": 8e-4}, "batch": 256},
        "tera": {"method": {"share": 0.15, "span": 2}, "optimiser": {"lr": 2e-4}},
        "best-rq": {"method": {"target": "projection", "codes": 8192, "share": 0.4, "span": 10}},
        "hubert": {
            "method": {"target": "clusters", "codes": 100, "share": 0.6, "span": 3, "changed": 0.0, "kept": 0.0}
        },
        "data2vec": {"method": {"target": "teacher", "share": 0.5, "span": 3, "changed": 0.0, "kept": 0.0}},
    }
    views = ("weak",)

    class Config(Named):
        name: Literal["masked-prediction"] = "masked-prediction"
        target: Literal["own", "projection", "clusters", "teacher"] = Field(
            default="own",
            description="what a token holds, or of values a random code or a cluster, or a teacher's view",
        )
        share: float = Field(default=0.3, gt=0, lt=1, description="of the tokens that are hidden")
        span: int = Field(
            default=1, ge=1, description="neighbouring tokens that are hidden together; on a grid, the side of a square"
        )
        runs: Literal["even", "geometric"] = Field(
            default="even", description="whether all that are hidden together are `span`, or that is their mean"
        )
        changed: float = Field(default=0.1, ge=0, le=1, description="of the hidden, those that get another token")
        kept: float = Field(default=0.1, ge=0, le=1, description="of the hidden, those that stay as they are")
        each: bool = Field(default=False, description="target own: standardise values within their token (MAE)")
        loss: Literal["squared", "absolute"] = Field(default="squared", description="target own: the error of values")
        codes: int = Field(default=256, ge=2, description="targets projection and clusters: how many there are")
        second: float = Field(
            default=0.5, ge=0, le=1, description="target clusters: when the encoder's own layer is clustered; 1: never"
        )
        top: int = Field(default=8, ge=1, description="target teacher: how many of its upper layers")
        momentum: float = Field(default=0.999, ge=0, le=1, description="target teacher: what it keeps of itself")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.centred = config.target != "teacher"  # what a teacher makes of a sample may shrink with its student
        self.backbone = of_tokens(encoder, config.name)
        self.mask = nn.Parameter(torch.randn(self.backbone.width) * 0.02)
        self.goal = _goal(config, self.backbone, sample)

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
        hide = hidden_of(tokens, config.share, config.span, draws, geometric=config.runs == "geometric")
        seen = covered(tokens, hide, self.mask, config.changed, config.kept, draws)
        answers = self.goal.answer(self.backbone.layers(seen)[-1][hide], self.backbone)  # [M, K or P]
        answers = aim.given_back(answers, hide)
        target = aim.target[hide]
        nothing = self.goal.nothing_learnt(target).mean()
        return Step(by_sample(self.goal.loss(answers, target), hide), nothing, self.goal.metrics(), aim.carry)

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        self.goal.update(carry, self.backbone, progress)


def of_tokens(encoder: Encoder, method: str) -> TokenEncoder:
    """The encoder as one of tokens. Raises `UsageError` where it is none."""
    if isinstance(encoder, TokenEncoder):
        return encoder
    raise UsageError(
        f"method {method} hides tokens, and {type(encoder).__name__} has none to hide: leave --encoder away, or write "
        "--encoder transformer"
    )


def _goal(config: MaskedPrediction.Config, encoder: TokenEncoder, sample: View) -> Goal:
    if config.target in ("projection", "clusters") and encoder.table is not None:
        raise UsageError(f"method.target {config.target} codes values, and these samples are ids already: take 'own'")
    match config.target:
        case "own":
            return Own(encoder, sample, config.each, absolute=config.loss == "absolute")
        case "projection":
            return Projected(encoder, sample, config.codes)
        case "clusters":
            return Clustered(encoder, sample, config.codes, config.second)
        case "teacher":
            return Taught(encoder, config.top, config.momentum)
