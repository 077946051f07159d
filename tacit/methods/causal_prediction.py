"""Causal prediction: say what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Draws, Encoder, Method, Modality, Progress, Step, TokenEncoder, Tokens, View
from tacit.errors import UsageError
from tacit.losses.choices import among_all, among_some, calibrated, undecided
from tacit.losses.contrastive import info_nce, paired_nce
from tacit.losses.tokens import by_sample, by_token, known_mean, unigram_loss
from tacit.nn.goals import values_of
from tacit.ranks import gathered
from tacit.view import FIRST_WORD, MASK

FEW = 5_000
"""Ids up to which `auto` asks for all of them: a choice among some of LastFM's 3,646 artists was worse (`log.md`)."""


class CausalPrediction(Method):
    """Learns how samples go on, from each of their places, with an encoder that sees no future.

    Ids are predicted by cross-entropy, with the encoder's own vectors of them, so that what is learnt can also write
    (`tacit generate`) or recommend; where there are very many of them, it may be told from some that are drawn alone.
    Values some steps ahead are predicted by their absolute error (APC); or the right one is to be found among tokens of
    other places (CPC). Beside it samples can be told apart by their last states (`contrast`, as in CL4SRec and DuoRec):
    off by itself, since it often hurts.
    """

    paper = (
        "Radford et al. 2018, GPT; Chung et al. 2019, APC, arXiv 1904.03240; van den Oord et al. 2018, CPC; Kang and "
        "McAuley 2018, SASRec, arXiv 1808.09781; Xie et al. 2022, CL4SRec, arXiv 2010.14395; Qiu et al. 2022, DuoRec, "
        "arXiv 2110.05730; see presets"
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
        temperature: float = Field(
            default=0.1, gt=0, description="target future, and contrast: divides the similarities"
        )
        contrast: float = Field(
            default=0.0,
            ge=0,
            description="weight of a second loss that tells samples apart, which often hurts; 0: none",
        )
        positive: Literal["dropout", "view", "same-target"] = Field(
            default="dropout",
            description="contrast: of one sample two passes with other dropout, or two strong views; or another sample "
            "in front of the same id",
        )

    counts: Tensor

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.views = _views(config)
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
        return frozenset(_views(config))

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        tokens, states = self._read(views[0])
        step = self._choose(tokens, states) if self.config.target == "future" else self._say(tokens, states)
        return self._beside(step, (tokens, states), views) if self.config.contrast else step

    def _read(self, view: View) -> tuple[Tokens, Tensor]:
        tokens = self.backbone.cut(view)
        return tokens, self.backbone.layers(tokens)[-1]

    def _beside(self, step: Step, seen: tuple[Tokens, Tensor], views: Sequence[View]) -> Step:
        """`step` and the second loss: each sample's positive among those of the batch, by the states that pairs end in.

        Samples in front of the same id are no negatives of each other.
        """
        config = self.config
        (one, before), (other, after) = [seen, *(self._read(view) for view in views[1:] or views)][-2:]
        ends, wanted = (one.valid, other.valid), None
        if config.positive == "same-target":
            wanted = _last(other.target[..., None], other.valid)[:, 0]
            ends = (_in_front_of(one, wanted), _in_front_of(other, wanted))
        known, own = gathered(ends[0].any(dim=1) & ends[1].any(dim=1))
        group = torch.arange(len(known), device=known.device) if wanted is None else gathered(wanted)[0]
        first, _ = gathered(_last(before, ends[0], one.rows))
        second, _ = gathered(_last(after, ends[1], other.rows))
        # of what is not there nothing is told apart
        pairs = paired_nce(first[known].float(), second[known].float(), config.temperature, group[known])
        losses = pairs.new_zeros(len(known)).masked_scatter(known, pairs)[own]
        _, number, counts = torch.unique(group[known], return_inverse=True, return_counts=True)
        nothing = torch.log1p(2.0 * (len(number) - counts[number])).sum() / len(known)
        metrics = {**step.metrics, "contrast": losses.detach().mean()}
        loss, line = step.loss + config.contrast * losses, step.nothing_learnt + config.contrast * nothing
        return Step(loss, line, metrics, step.carry)

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
        drawn = FIRST_WORD + Draws.common(config.negatives, states.device).integers(count)
        if config.loss != "gbce":
            return among_some(states, table, target, drawn, count), unigram_loss(self.counts, target).mean()
        t = config.calibration
        return calibrated(states, table, target, drawn, count, t), undecided(len(drawn), count, t)

    def _choose(self, tokens: Tokens, states: Tensor) -> Step:
        """Which token stands 1, 2, ... `ahead` of each, among others of the batch (arXiv 1807.03748, eq. 4)."""
        pool, own = gathered(tokens.x[tokens.valid])
        drawn = Draws.common(self.config.negatives, pool.device).integers(len(pool))
        place = own.start + (tokens.valid.flatten().cumsum(0) - 1).view_as(tokens.valid)
        total = []
        for ahead, head in enumerate(self.heads, 1):
            told = tokens.followed(ahead)
            query, key = head(states[:, :-ahead][told]).float(), tokens.x[:, ahead:][told].float()
            asked = place[:, ahead:][told]  # what is asked for is no wrong answer
            losses = info_nce(query, key, pool[drawn].float(), self.config.temperature, asked, drawn)
            total.append(by_sample(losses, told))
        return Step(torch.stack(total).mean(dim=0), torch.tensor(self.config.negatives + 1.0).log())


def _views(config: CausalPrediction.Config) -> tuple[str, ...]:
    if not config.contrast or config.positive == "dropout":
        return ("weak",)
    return ("weak", "strong", "strong") if config.positive == "view" else ("weak", "alike")


def _last(values: Tensor, marked: Tensor, rows: int = 1) -> Tensor:
    """What of `values [B, L, D]` stands at the last place of each of its `rows` that is `marked [B, L]`: `[B, rows D]`,
    zeros where none is."""
    count, length, width = values.shape
    marked, values = marked.reshape(count * rows, -1), values.reshape(count * rows, length // rows, width)
    place = (marked * torch.arange(1, marked.shape[1] + 1, device=marked.device)).argmax(dim=1)
    found = values.gather(1, place[:, None, None].expand(-1, 1, width))[:, 0] * marked.any(dim=1, keepdim=True)
    return found.reshape(count, rows * width)


def _in_front_of(tokens: Tokens, wanted: Tensor) -> Tensor:
    """Which tokens stand in front of the id `wanted`, long `[B]`: boolean `[B, L]`."""
    return F.pad(tokens.followed(1) & (tokens.target[:, 1:] == wanted[:, None]), (0, 1))
