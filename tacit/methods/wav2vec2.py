"""wav2vec 2.0: find the code of what is hidden among the codes of other places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Draws, Encoder, Method, Modality, Progress, Step, View
from tacit.losses.tokens import by_sample
from tacit.methods.masked_prediction import of_tokens
from tacit.nn.masking import covered, hidden_of
from tacit.nn.quantiser import GumbelCodes, diversity


class Wav2Vec2(Method):
    """Learns a code for what a token holds together with the context that tells it from others of the same sample.

    Codes are chosen by the method itself, so that nothing has to be known of what tokens hold; that all codes are used
    is part of the loss.
    """

    paper = "Baevski et al. 2020, wav2vec 2.0, arXiv 2006.11477"
    formula = (
        "loss = mean over hidden t of -log( exp(s(c_t, q_t) / T) / sum_q exp(s(c_t, q) / T) ) + a (1 - codes used)"
    )
    presets = {
        "default": {
            "encoder": {"name": "transformer"},
            "optimiser": {"lr": 1e-3, "weight_decay": 0.01, "clip": 1.0},
            "usual_batch": 64,
        },
        "paper": {
            "method": {"codes": 320, "negatives": 100, "out": 256},
            "encoder": {"size": "base"},
            "optimiser": {"lr": 5e-4, "warmup": 0.08},
        },
    }
    views = ("weak",)

    class Config(Named):
        name: Literal["wav2vec2"] = "wav2vec2"
        share: float = Field(default=0.5, gt=0, lt=1, description="of the tokens that are hidden")
        span: int = Field(default=3, ge=1, description="neighbouring tokens that are hidden together")
        groups: int = Field(default=2, ge=1, description="codebooks")
        codes: int = Field(default=64, ge=2, description="codes in each")
        out: int = Field(default=128, ge=2, description="width in which codes are compared")
        negatives: int = Field(default=50, ge=1, description="codes of other hidden tokens of the same sample")
        temperature: float = Field(default=0.1, gt=0, description="divides the similarities")
        diversity: float = Field(default=0.1, ge=0, description="weight of the share of codes that are not used")
        soft: tuple[float, float] = Field(default=(2.0, 0.5), description="temperature of the choice, first and last")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.backbone = of_tokens(encoder, config.name)
        width = self.backbone.width
        self.mask = nn.Parameter(torch.randn(width) * 0.02)
        self.norm = nn.LayerNorm(width)
        self.quantise = GumbelCodes(width, config.groups, config.codes, config.out // config.groups * config.groups)
        self.code = nn.Linear(self.quantise.vectors.shape[2] * config.groups, config.out)
        self.context = nn.Linear(self.backbone.out, config.out)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(cls.views)

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        config, draws = self.config, Draws.fresh(len(views[0]), views[0].x.device)
        tokens = self.backbone.cut(views[0])
        hide = hidden_of(tokens, config.share, config.span, draws)
        first, last = config.soft
        chosen, likely = self.quantise(self.norm(tokens.x[hide]), first * (last / first) ** progress.fraction)
        states = self.backbone.layers(covered(tokens, hide, self.mask, 0.0, 0.0, draws))[-1]
        query, keys = self.context(states[hide]).float(), self.code(chosen).float()  # [M, out]
        losses = found_among(query, keys, hide, config.negatives, config.temperature, draws)
        unused = diversity(likely)
        return Step(
            by_sample(losses, hide) + config.diversity * unused,
            nothing_learnt=torch.tensor(config.negatives + 1.0).log(),
            metrics={"code_perplexity": ((1 - unused) * config.codes).detach()},
        )


def found_among(query: Tensor, keys: Tensor, hide: Tensor, count: int, temperature: float, draws: Draws) -> Tensor:
    """-log of the share that the own key of each query has among `count` others of its sample, `[M]`.

    `query` and `keys [M, D]` are those of the tokens in `hide [B, L]`, in order. Keys equal to the own one are no
    negatives (fairseq's reading of section 3.2).
    """
    each = hide.sum(dim=1)
    told = torch.arange(int(each.max()), device=hide.device) < each[:, None]  # [B, n], n the most that a sample hides
    own = told.nonzero()[:, 1]
    rows = []
    for vectors in (query, keys):
        rows.append(vectors.new_zeros(*told.shape, vectors.shape[1]).index_put((told,), F.normalize(vectors, dim=1)))
    similarity = (rows[0] @ rows[1].transpose(1, 2) / temperature)[told]  # [M, n]
    others = _others(hide, count, draws)
    with torch.no_grad():
        same = (rows[1] @ rows[1].transpose(1, 2))[told].gather(1, others) > 1 - 1e-5
    negatives = similarity.gather(1, others).masked_fill(same, -torch.inf)
    return -torch.cat([similarity.gather(1, own[:, None]), negatives], dim=1).log_softmax(dim=1)[:, 0]


def _others(hide: Tensor, count: int, draws: Draws) -> Tensor:
    """For each of the M tokens in `hide [B, L]` `count` others of its sample, by their number there: `[M, count]`.

    Drawn with repeats; a sample's only hidden token gets itself.
    """
    each = hide.sum(dim=1, keepdim=True).expand_as(hide)[hide][:, None]
    own = (hide.cumsum(dim=1) - 1)[hide][:, None]
    step = (
        draws.uniform(shape=(hide.shape[1], count), ragged=True)[hide] * (each - 1)
    ).long() + 1  # 1 to all but itself
    return (own + step) % each
