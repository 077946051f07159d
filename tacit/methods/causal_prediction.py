"""Causal prediction: say what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Draws, Encoder, Method, Modality, Progress, Step, TokenEncoder, Tokens, View
from tacit.errors import UsageError
from tacit.losses.choices import among_all, among_some, calibrated, undecided
from tacit.losses.contrastive import info_nce
from tacit.losses.tokens import by_sample, by_token, known_mean, unigram_loss
from tacit.nn.goals import values_of
from tacit.view import FIRST_WORD, MASK

FEW = 5_000
"""Ids up to which `auto` asks for all of them: a choice among some of LastFM's 3,646 artists was worse (`log.md`)."""


class CausalPrediction(Method):
    """Learns how samples go on, from each of their places, with an encoder that sees no future.

    Ids are predicted by cross-entropy, with the encoder's own vectors of them, so that what is learnt can also write
    (`tacit generate`) or recommend; where there are very many of them, it may be told from some that are drawn alone.
    Values some steps ahead are predicted by their absolute error (APC); or the right one is to be found among tokens of
    other places (CPC).
    """

    paper = (
        "Radford et al. 2018, GPT; Chung et al. 2019, APC, arXiv 1904.03240; van den Oord et al. 2018, CPC; Kang and "
        "McAuley 2018, SASRec, arXiv 1808.09781; see presets"
    )
    formula = "loss = mean over t of  -log p(token_{t+n} | tokens up to t),  or |answer_t - token_{t+n}|"
    presets = {
        "default": {
            "encoder": {"name": "transformer", "causal": True},
            "optimiser": {"lr": 2e-3, "weight_decay": 0.1, "clip": 1.0},
            "usual_batch": 64,
        },
        "gpt": {"encoder": {"size": "base"}, "optimiser": {"lr": 2.5e-4, "weight_decay": 0.01}},
        "apc": {"method": {"ahead": 3}, "optimiser": {"lr": 1e-3, "weight_decay": 0.0}},
        "cpc": {"method": {"target": "future", "ahead": 12, "negatives": 128}, "optimiser": {"lr": 2e-4}},
    }
    views = ("weak",)
    centred = True

    class Config(Named):
        name: Literal["causal-prediction"] = "causal-prediction"
        loss: Literal["softmax", "sampled", "gbce", "auto"] = Field(
            default="softmax",
            description="ids: a choice among all, among some, corrected, or yes and no for each of some (gSASRec); "
            "auto: all, where they are at most 5,000",
        )
        calibration: float = Field(
            default=0.75, ge=0, le=1, description="loss gbce: t, from 0 (plain binary) to 1 (as of a softmax over all)"
        )
        weigh: Literal["samples", "tokens"] = Field(
            default="samples",
            description="what counts alike: each sample, or each token, so that longer ones count more",
        )
        target: Literal["own", "future"] = Field(
            default="own", description="what the token holds that comes next, or which of many tokens it is"
        )
        ahead: int = Field(
            default=1, ge=1, description="tokens ahead; target future: one after the other, up to so many"
        )
        negatives: int = Field(
            default=128, ge=1, description="target future: tokens of other places; losses sampled and gbce: ids drawn"
        )
        temperature: float = Field(default=0.1, gt=0, description="target future: divides the similarities")

    counts: Tensor

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        if not isinstance(encoder, TokenEncoder) or not encoder.causal:
            raise UsageError(
                f"method {config.name} needs an encoder that sees no future: leave --encoder away, or write "
                "--encoder transformer --set encoder.causal=true"
            )
        self.backbone = encoder
        counts, self.heads = torch.zeros(0), nn.ModuleList()
        if config.target == "future":
            self.heads.extend(nn.Linear(encoder.out, encoder.width) for _ in range(config.ahead))
        elif sample.vocabulary is None:
            self.heads.append(nn.Linear(encoder.out, values_of(encoder, sample).shape[1]))
        else:
            told = sample.x if sample.valid is None else sample.x[sample.valid]
            counts = torch.bincount(told.flatten(), minlength=sample.vocabulary).float()
        self.register_buffer("counts", counts)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(cls.views)

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        tokens = self.backbone.cut(views[0])
        states = self.backbone.layers(tokens)[-1]
        return self._choose(tokens, states) if self.config.target == "future" else self._say(tokens, states)

    def _say(self, tokens: Tokens, states: Tensor) -> Step:
        """What the token `ahead` of each holds."""
        ahead = self.config.ahead
        told = tokens.followed(ahead)
        before, target = (part[told] for part in (tokens.target[:, :-ahead], tokens.target[:, ahead:]))
        gathered = by_token if self.config.weigh == "tokens" else by_sample
        if self.backbone.table is not None:
            hidden = target == MASK  # nobody asks for what a view hides
            told, target = told.masked_scatter(told, ~hidden), target[~hidden]
            losses, nothing = self._pick(states[:, :-ahead][told], self.backbone.table, target)
            return Step(gathered(losses, told), nothing)
        answers = self.heads[0](states[:, :-ahead][told])
        losses = known_mean((answers.float() - target.nan_to_num()).abs(), target)
        copied = (before - target).abs()
        return Step(gathered(losses, told), known_mean(copied.nan_to_num(), copied).mean())

    def _pick(self, states: Tensor, table: Tensor, target: Tensor) -> tuple[Tensor, Tensor | float]:
        """Losses `[M]` of the ids `target` by the states in front of them, and the line of nothing learnt."""
        config, count = self.config, len(table) - FIRST_WORD
        if config.loss == "softmax" or (config.loss == "auto" and count <= FEW):
            return among_all(states, table, target), unigram_loss(self.counts, target).mean()
        drawn = FIRST_WORD + Draws.fresh(config.negatives, states.device).integers(count)
        if config.loss != "gbce":
            return among_some(states, table, target, drawn, count), unigram_loss(self.counts, target).mean()
        t = config.calibration
        return calibrated(states, table, target, drawn, count, t), undecided(len(drawn), count, t)

    def _choose(self, tokens: Tokens, states: Tensor) -> Step:
        """Which token stands 1, 2, ... `ahead` of each, among others of the batch (arXiv 1807.03748, eq. 4)."""
        pool = tokens.x[tokens.valid]
        drawn = Draws.fresh(self.config.negatives, pool.device).integers(len(pool))
        place = (tokens.valid.flatten().cumsum(0) - 1).view_as(tokens.valid)
        total = []
        for ahead, head in enumerate(self.heads, 1):
            told = tokens.followed(ahead)
            query, key = head(states[:, :-ahead][told]).float(), tokens.x[:, ahead:][told].float()
            usable = place[:, ahead:][told][:, None] != drawn  # what is asked for is no wrong answer
            losses = info_nce(query, key, pool[drawn].float(), self.config.temperature, usable)
            total.append(by_sample(losses, told))
        return Step(torch.stack(total).mean(dim=0), torch.tensor(self.config.negatives + 1.0).log())
