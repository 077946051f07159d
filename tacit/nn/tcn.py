"""Dilated convolutions over time, for series in which values may be missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Features, TokenEncoder, Tokens, View
from tacit.errors import UsageError
from tacit.nn.standardise import Standardise
from tacit.nn.stems import in_patches
from tacit.nn.tdnn import over_time, real

TOKENS = 256
"""Tokens of a series at most, where nobody says how many steps make one: ten blocks over thousands take minutes."""


class TCN(TokenEncoder):
    """The encoder of TS2Vec (Yue et al. 2022, arXiv 2106.10466, appendix C.1): residual blocks of two convolutions of
    kernel 3 with dilation 2^i, GELU before each, no norms.

    A value that is missing is 0 behind the standardisation, and a second number beside each says whether it is there:
    a gap is no mean. Steps without any value, and what lies behind the end, are 0 before every convolution and enter
    nothing. Pooled are mean and maximum over time.
    """

    class Config(Named):
        name: Literal["tcn"] = "tcn"
        width: int = Field(default=64, ge=1, le=4096, description="features of a token between the blocks")
        out: int = Field(default=160, ge=1, le=4096, description="features of a token at the end")
        depth: int | None = Field(
            default=None, ge=1, le=16, description="blocks; by default as many as see the whole series, 10 at most"
        )
        patch: int | None = Field(
            default=None, ge=1, le=1024, description="steps of time in a token; 1, or more for series of over 256"
        )
        causal: bool = Field(default=False, description="a token sees only what stands before it")

    def __init__(self, config: Config, sample: View) -> None:
        super().__init__()
        if sample.x.dim() != 3 or not sample.x.is_floating_point():
            raise UsageError("encoder tcn reads steps of time, and these samples are none: choose another encoder")
        length, channels = sample.x.shape[1:]
        self.width, self.out, self.dim, self.causal = config.width, config.out, 2 * config.out, config.causal
        self.patch = config.patch or -(-length // TOKENS)
        tokens = -(-length // self.patch)
        # i blocks see 4 (2^i - 1) tokens beside their own
        depth = config.depth or min(10, max(2, (tokens // 4 + 1).bit_length()))
        self.standardise = Standardise(sample.x[real(sample)])
        self.project = nn.Linear(2 * self.patch * channels, config.width)
        widths = [config.width] * depth + [config.out]
        self.blocks = nn.ModuleList(_Block(widths[at], widths[at + 1], 2**at, config.causal) for at in range(depth))

    def stages(self) -> Sequence[Sequence[str]]:
        """The projection, then one a block."""
        starts = [("standardise.", "project."), *((f"blocks.{at}.",) for at in range(len(self.blocks)))]
        return [[name for name in self.state_dict() if name.startswith(start)] for start in starts]

    @property
    def table(self) -> None:
        return None

    def cut(self, view: View) -> Tokens:
        """One token for every `patch` steps, no further than the longest series of the batch reaches."""
        valid = real(view)
        longest = int(valid.any(dim=0).nonzero().max()) + 1 if bool(valid.any()) else 1
        where = None if view.where is None else view.where[:, :longest]
        short = replace(view, x=view.x[:, :longest], valid=valid[:, :longest], where=where)
        values, held, place = in_patches(short, self.standardise, self.patch)
        both = torch.cat([values.nan_to_num(), (~values.isnan()).float()], dim=3)
        return Tokens(self.project(both.flatten(2)), values.flatten(2), place, held)

    def layers(self, tokens: Tokens) -> Sequence[Tensor]:
        inside = tokens.valid[:, None].float()
        rows, seen = tokens.x.transpose(1, 2), []
        for block in self.blocks:
            rows = block(rows, inside)
            seen.append((rows * inside).transpose(1, 2))
        return [each for each in seen if each.shape[2] == self.out]

    def pool(self, tokens: Tokens, states: Tensor) -> Tensor:
        """Mean and maximum over time."""
        return torch.cat(over_time(states, tokens.valid), dim=1)

    def forward(self, view: View) -> Features:
        """Pooled `[B, 2 out]`, tokens `[B, ceil(L / patch), out]`, one for every `patch` steps, with `valid`."""
        tokens = self.cut(view)
        states = self.layers(tokens)[-1]
        where = None if view.where is None else tokens.where[..., 0]
        return Features(self.pool(tokens, states), states, tokens.valid, where)


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, dilation: int, causal: bool) -> None:
        super().__init__()
        self.dilation, self.causal = dilation, causal
        self.first = nn.Conv1d(inputs, outputs, 3, dilation=dilation)
        self.second = nn.Conv1d(outputs, outputs, 3, dilation=dilation)
        self.past = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        """`[B, C, L]` -> `[B, D, L]`; `inside [B, 1, L]` is 0 where nothing stands."""
        seen = self._over(self.first, F.gelu(x) * inside)
        out: Tensor = self._over(self.second, F.gelu(seen) * inside) + self.past(x)
        return out

    def _over(self, convolution: nn.Conv1d, x: Tensor) -> Tensor:
        before = 2 * self.dilation if self.causal else self.dilation
        out: Tensor = convolution(F.pad(x, (before, 2 * self.dilation - before)))
        return out
