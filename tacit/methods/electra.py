"""ELECTRA: tell which tokens of a text were replaced by plausible ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Draws, Encoder, Method, Modality, Progress, Step, TokenEncoder, Tokens, View
from tacit.losses.tokens import by_sample, token_loss, unigram_loss
from tacit.methods.denoising_seq2seq import counts_of, reader
from tacit.nn.heads import Vocabulary
from tacit.nn.masking import hidden
from tacit.nn.transformer import HEAD, Block, Rows, rotation
from tacit.view import MASK


class Electra(Method):
    """Learns from every token of a text whether it belongs there.

    A small model fills gaps, as in BERT, and what it fills them with is drawn by its own probabilities; the encoder
    tells these tokens from those that were there. Both read ids by the same vectors. The small model is thrown away.
    """

    paper = "Clark et al. 2020, ELECTRA, arXiv 2003.10555"
    formula = "loss = -log p_small(hidden tokens)  +  50 * mean over all t of  -log p(replaced_t or not)"
    presets = {
        "default": {
            "encoder": {"name": "transformer"},
            "optimiser": {"lr": 1e-3, "weight_decay": 0.01, "clip": 1.0},
            "usual_batch": 64,
        },
        "small": {"method": {"layers": 12}, "optimiser": {"lr": 5e-4}, "batch": 128},
        "base": {
            "method": {"layers": 12, "width": 256},
            "encoder": {"size": "base", "dropout": 0.1},
            "optimiser": {"lr": 2e-4},
            "batch": 256,
        },
    }
    views = ("weak",)
    centred = True

    class Config(Named):
        name: Literal["electra"] = "electra"
        share: float = Field(default=0.15, gt=0, lt=1, description="of the tokens that are hidden and filled in")
        weight: float = Field(default=50.0, gt=0, description="of telling replaced tokens, beside filling gaps")
        layers: int = Field(default=1, ge=1, le=48, description="of the small model that fills gaps")
        width: int = Field(default=64, ge=64, multiple_of=HEAD, description="of the small model")

    counts: Tensor

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        self.backbone = reader(encoder, config.name)
        counts = counts_of(sample, ends=False)
        self.small = Small(self.backbone.width, config.width, config.layers, len(counts))
        width = self.backbone.width
        self.tell = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))
        self.register_buffer("counts", counts)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, "spell"))

    @property
    def encoder(self) -> Encoder:
        return self.backbone

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        (view,) = views
        tokens = self.backbone.cut(view)
        draws = Draws.fresh(len(view), view.x.device)
        hide = hidden(tokens.valid, self.config.share, 1, draws)
        gaps = self.backbone.cut(view.with_x(view.x.masked_fill(hide, MASK)))
        logits = self.small(gaps, hide, self.backbone)
        filled = view.x.masked_scatter(hide, drawn(logits, draws.uniform(shape=hide.shape[1:], ragged=True)[hide]))
        replaced = (filled != view.x)[tokens.valid].float()
        states = self.backbone.layers(self.backbone.cut(view.with_x(filled)))[-1][tokens.valid]
        told = self.tell(states)[:, 0].float()
        telling = F.binary_cross_entropy_with_logits(told, replaced, reduction="none")
        filling = token_loss(logits, view.x[hide])
        loss = by_sample(filling, hide) + self.config.weight * by_sample(telling, tokens.valid)
        share = replaced.mean()
        nothing = unigram_loss(self.counts, view.x[hide]).mean()
        nothing = nothing + self.config.weight * torch.special.entr(torch.stack([share, 1 - share])).sum()
        metrics = {"replaced": share, "filling": filling.mean().detach(), "telling": telling.mean().detach()}
        return Step(loss, nothing, metrics)


class Small(nn.Module):
    """A masked language model of moderate width, that reads and answers by another one's vectors of ids."""

    def __init__(self, outer: int, width: int, layers: int, vocabulary: int) -> None:
        super().__init__()
        self.narrow, self.wide = nn.Linear(outer, width), nn.Linear(width, outer)
        self.blocks = nn.ModuleList(Block(width, 0.0, layers) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.answer = Vocabulary(outer, vocabulary)

    def forward(self, tokens: Tokens, hide: Tensor, encoder: TokenEncoder) -> Tensor:
        """Logits `[M, V]` of what stands where `hide [B, L]` is True, M times."""
        rows = Rows(tokens.valid, causal=False)
        turn = rotation(rows.flat(tokens.where), HEAD)
        x = self.narrow(rows.flat(tokens.x))
        for block in self.blocks:
            x = block(x, rows, turn)
        states = self.wide(self.norm(x)[rows.flat(hide)])
        assert encoder.table is not None
        logits: Tensor = self.answer(states, encoder.table)
        return logits


@torch.no_grad()
def drawn(logits: Tensor, uniform: Tensor) -> Tensor:
    """One id for each of the `logits [M, V]`, by its probability: long `[M]`. `uniform [M]` are numbers in [0, 1)."""
    reached = logits.float().softmax(dim=1).cumsum(dim=1)
    found = torch.searchsorted(reached, uniform[:, None] * reached[:, -1:], right=True)[:, 0]
    return found.clamp_max(logits.shape[1] - 1)
