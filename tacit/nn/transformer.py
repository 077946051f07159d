"""A transformer of today: norms before, rotary positions, padding that costs nothing, for tokens of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Features, TokenEncoder, Tokens, View
from tacit.errors import UsageError
from tacit.nn.stems import SPREAD, Grid, stem_for
from tacit.nn.waves import Norms, Waves

SIZES = {"micro": (2, 64), "tiny": (2, 128), "mini": (4, 256), "small": (4, 512), "medium": (8, 512), "base": (12, 768)}
"""Layers and width, as in the small BERTs of Turc et al. 2019, arXiv 1908.08962."""
HEAD = 64
"""Width of a head."""
SHORT = 8
"""Samples of so many tokens or fewer are looked at together."""
Turn = tuple[Tensor, Tensor]
"""Cosines and sines of the angles of places; see `rotation`."""


class Transformer(TokenEncoder):
    """Vaswani et al. 2017 with norms before each part (Xiong et al. 2020) and rotary positions (Su et al. 2021).

    Only attention sees the samples as rows of a batch: all else runs over the valid tokens alone, one behind the other
    (the unpadding of Portes et al. 2023, arXiv 2312.17482), so that padding neither counts nor costs. `registers`
    (Darcet et al. 2024, arXiv 2309.16588) stand before the tokens, without a place of their own; nothing reads them.
    """

    drops = True

    class Config(Named):
        name: Literal["transformer"] = "transformer"
        size: Literal["micro", "tiny", "mini", "small", "medium", "base"] = Field(
            default="tiny",
            description="layers x width: micro 2 x 64, tiny 2 x 128, mini 4 x 256, small 4 x 512, medium 8 x 512, base",
        )
        patch: int | None = Field(
            default=None, ge=1, le=64, description="frames, or pixels of a side, in a token; by default a few"
        )
        channels: int | None = Field(
            default=None, ge=1, le=4096, description="waves: of the seven convolutions; by default as many as the width"
        )
        norms: Norms = Field(
            default="group", description="waves: over time after the first convolution, or over channels after each"
        )
        apart: bool = Field(default=False, description="series: each channel is read by itself, by the same weights")
        revin: bool = Field(
            default=False,
            description="series: level and spread of each are taken from its values, told beside, and given back to "
            "what is predicted",
        )
        causal: bool = Field(default=False, description="a token sees only what stands before it: models that write")
        registers: int = Field(
            default=0, ge=0, le=64, description="learnt vectors beside the tokens of each sample, which all tokens see"
        )
        dropout: float = Field(
            default=0.0, ge=0, lt=1, description="share of the tokens' and of each layer's output left out in training"
        )

        @model_validator(mode="after")
        def _level_is_of_the_whole(self) -> Self:
            if self.causal and self.revin:
                raise ValueError(
                    "encoder.revin tells each token the level of the whole series, its future included: "
                    "set encoder.causal or encoder.revin to false"
                )
            return self

    def __init__(self, config: Config, sample: View) -> None:
        super().__init__()
        depth, self.width = SIZES[config.size]
        if sample.rate is not None and (config.apart or config.revin):
            raise UsageError("encoder.apart and encoder.revin are for series, and these are waves: leave them away")
        self.out, self.causal = self.width, config.causal
        self.dim = self.width * (sample.x.shape[-1] if config.apart else 1)
        self.stem = (
            stem_for(sample, self.width, config.patch, apart=config.apart, revin=config.revin)
            if sample.rate is None
            else Waves(sample, self.width, config.patch, config.channels or self.width, config.norms)
        )
        self.registers = nn.Parameter(torch.randn(config.registers, self.width) * SPREAD) if config.registers else None
        self.blocks = nn.ModuleList(Block(self.width, config.dropout, depth) for _ in range(depth))
        self.norm = nn.LayerNorm(self.width)
        self.dropout = nn.Dropout(config.dropout)

    @property
    def table(self) -> Tensor | None:
        return self.stem.table

    def cut(self, view: View) -> Tokens:
        tokens: Tokens = self.stem(view)
        return tokens

    def layers(self, tokens: Tokens) -> Sequence[Tensor]:
        valid, where, x = (
            each.reshape(len(each) * tokens.rows, -1, *each.shape[2:])
            for each in (tokens.valid, tokens.where, tokens.x)
        )
        before, known = 0, None if tokens.known is None else tokens.known.reshape(valid.shape)
        if self.registers is not None:
            before = len(self.registers)
            x = torch.cat([self.registers.to(x.dtype).expand(len(x), -1, -1), x], dim=1)
            valid, where = F.pad(valid, (before, 0), value=True), F.pad(where, (0, 0, before, 0))
            known = None if known is None else F.pad(known, (before, 0), value=True)
        rows = Rows(valid, self.causal, known)
        turn = rotation(rows.flat(where), HEAD)
        x, seen = self.dropout(rows.flat(x)), []
        for block in self.blocks:
            x = block(x, rows, turn)
            seen.append(x)
        wide = [rows.padded(each)[:, before:] for each in [*seen[:-1], self.norm(x)]]
        return [each.reshape(*tokens.valid.shape, -1) for each in wide]

    def forward(self, view: View) -> Features:
        """`pooled [B, D]`, the mean of `tokens [B, L, D]`; `maps` where the view is a grid.

        Where channels are read apart, the vectors of one place stand side by side: `[B, C D]` and `[B, L, C D]`.
        """
        tokens = self.cut(view)
        states = self.layers(tokens)[-1]
        if tokens.rows > 1:
            return self._side_by_side(tokens, states, view)
        pooled, maps = self.pool(tokens, states), {}
        if isinstance(self.stem, Grid):
            rows = int(tokens.where[0, :, 0].max()) + 1
            maps = {self.stem.patch: states.transpose(1, 2).reshape(len(states), self.width, rows, -1)}
        table = self.table
        if table is not None and not torch.is_grad_enabled():
            table = table.detach()  # as all else that comes from an encoder that stands still
        where = None if view.where is None or isinstance(self.stem, Grid) else tokens.where[..., 0]
        return Features(pooled, states, tokens.valid, where, table, maps)

    def pool(self, tokens: Tokens, states: Tensor) -> Tensor:
        """The mean of each channel that is read by itself, side by side; of all tokens where none is."""
        valid = tokens.valid.view(len(states), tokens.rows, -1)  # [B, C, L]
        total = states.view(*valid.shape, -1).float().sum(dim=2)
        return (total / valid.sum(dim=2)[..., None].clamp_min(1)).flatten(1)

    def _side_by_side(self, tokens: Tokens, states: Tensor, view: View) -> Features:
        """Features of channels that were read apart, from their `states [B, C L, D]`."""
        valid = tokens.valid.view(len(states), tokens.rows, -1)  # [B, C, L]
        where = None if view.where is None else tokens.where[:, : valid.shape[2], 0]
        beside = states.view(*valid.shape, -1).transpose(1, 2).flatten(2)
        return Features(self.pool(tokens, states), beside, valid.any(dim=1), where)

    def stages(self) -> Sequence[Sequence[str]]:
        places = [("stem.", "registers"), *((f"blocks.{number}.",) for number in range(len(self.blocks))), ("norm.",)]
        return [[name for name in self.state_dict() if name.startswith(place)] for place in places]


class Attention(Protocol):
    """How tokens see one another."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Each token's mixture of the values it sees: `[T, H, d]` each -> `[T, H d]`."""
        ...


class Rows:
    """Where the valid tokens of a batch lie: between `[B, L, ...]` and `[T, ...]`, one sample behind the other."""

    def __init__(self, valid: Tensor, causal: bool, known: Tensor | None = None) -> None:
        """`valid`, and `known` as in `Tokens`: boolean `[B, L]`."""
        self.shape, self.causal = valid.shape, causal and known is None
        self.places = None if bool(valid.all()) else valid.flatten().nonzero().flatten()
        self.known = None if known is None else self.flat(known)
        if self.places is not None:
            self.groups, self.back = _by_length(valid.sum(dim=1))

    def flat(self, x: Tensor) -> Tensor:
        """`[B, L, ...]` -> `[T, ...]`."""
        return x.flatten(0, 1) if self.places is None else x.flatten(0, 1).index_select(0, self.places)

    def padded(self, x: Tensor) -> Tensor:
        """`[T, ...]` -> `[B, L, ...]`, zeros elsewhere."""
        if self.places is None:
            return x.view(*self.shape, *x.shape[1:])
        whole = x.new_zeros(self.shape.numel(), *x.shape[1:])
        return whole.index_copy(0, self.places, x).view(*self.shape, *x.shape[1:])

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Each token's mixture of the values it sees: `[T, H, d]` each -> `[T, H d]`."""
        if self.places is None:
            q, k, v = (x.view(*self.shape, *x.shape[1:]).transpose(1, 2) for x in (query, key, value))
            mask = None if self.known is None else _or_before(self.known.view(self.shape))
            mixed = F.scaled_dot_product_attention(q, k, v, mask, is_causal=self.causal)
            return mixed.transpose(1, 2).flatten(0, 1).flatten(1)
        found = [query[:0].flatten(1)]
        for tokens, seen in self.groups:
            q, k, v = (
                x.index_select(0, tokens).view(*seen.shape, *x.shape[1:]).transpose(1, 2) for x in (query, key, value)
            )
            # padding stands behind: what sees no future does not see it either
            mask = None if self.causal else seen[:, None, None]
            if self.known is not None:
                mask = _or_before(self.known.index_select(0, tokens).view_as(seen) & seen)
            mixed = F.scaled_dot_product_attention(q, k, v, mask, is_causal=self.causal)
            found.append(mixed.transpose(1, 2).flatten(0, 1).flatten(1))
        return torch.cat(found).index_select(0, self.back)


def _or_before(known: Tensor) -> Tensor:
    """Which tokens each sees that sees those `known`, boolean `[B, L]`, and all others up to itself: `[B, 1, L, L]`."""
    before = torch.ones(known.shape[1], known.shape[1], dtype=torch.bool, device=known.device).tril()
    return known[:, None, None] | before


def _by_length(count: Tensor) -> tuple[Sequence[tuple[Tensor, Tensor]], Tensor]:
    """Samples of similar length in groups, so that few of the places that attention sees are padding; `count [B]`.

    Of each group of G samples, the longest of which has N tokens: which tokens they are, long `[G N]`, the first of all
    where there is none; and boolean `[G, N]`, whether there is one. Then where each token stands in all groups one
    behind the other, long `[T]`.
    """
    device, count = count.device, count.cpu()  # once, rather than a wait for the device at each question
    start, groups, whose = count.cumsum(0) - count, [], [count[:0]]
    power = count.clamp_min(SHORT).double().log2().ceil()
    for each in sorted(set(power[count > 0].tolist())):
        chosen = (power == each) & (count > 0)
        step = torch.arange(int(count[chosen].max()))
        seen = step < count[chosen, None]
        tokens = torch.where(seen, start[chosen, None] + step, 0).flatten()
        whose.append(torch.where(seen.flatten(), tokens, -1))
        groups.append((tokens.to(device), seen.to(device)))
    place = torch.cat(whose)
    back = torch.empty(int(count.sum()), dtype=torch.long)
    back[place[place >= 0]] = (place >= 0).nonzero().flatten()
    return groups, back.to(device)


class Block(nn.Module):
    """Attention, then a layer a token, each added to what it read."""

    def __init__(self, width: int, dropout: float, depth: int) -> None:
        """`depth`: how many blocks there are: what is added gets the less the more do (GPT-2)."""
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)
        start((self.qkv, self.wide), (self.out, self.narrow), depth)

    def forward(self, x: Tensor, rows: Attention, turn: Turn) -> Tensor:
        """`[T, D]` -> `[T, D]`."""
        return self.think(self.look(x, rows, turn))

    def look(self, x: Tensor, rows: Attention, turn: Turn) -> Tensor:
        """The first half: what a token sees of others, `[T, D]` -> `[T, D]`."""
        query, key, value = self.qkv(self.before(x)).view(len(x), 3, x.shape[1] // HEAD, HEAD).unbind(1)
        seen: Tensor = self.dropout(self.out(rows.attend(rotated(query, turn), rotated(key, turn), value)))
        return x + seen

    def think(self, x: Tensor) -> Tensor:
        """The second half: each token alone, `[T, D]` -> `[T, D]`."""
        added: Tensor = self.dropout(self.narrow(F.gelu(self.wide(self.between(x)))))
        return x + added


def start(reading: Sequence[nn.Linear], adding: Sequence[nn.Linear], depth: int) -> None:
    """Random weights by the width that is read; what is added in one of `depth` blocks gets the less, the more do."""
    for layer in (*reading, *adding):
        nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        nn.init.zeros_(layer.bias)
    for layer in adding:
        nn.init.normal_(layer.weight, std=layer.in_features**-0.5 / (2 * depth) ** 0.5)


def rotation(where: Tensor, width: int) -> Turn:
    """Cosines and sines `[T, 1, width / 2]` of the angles of places `[T, k]` (Su et al. 2021, arXiv 2104.09864).

    The frequencies 10,000^(-2 i / width) are dealt out among the k axes.
    """
    axes = where.shape[1]
    frequency = 10_000 ** -torch.linspace(0, 1, width // 2 // axes + 1, device=where.device)[:-1]
    angle = (where[:, :, None] * frequency).flatten(1)
    return angle.cos()[:, None], angle.sin()[:, None]


def rotated(x: Tensor, turn: Turn) -> Tensor:
    """`x [T, H, d]` with its two halves turned as pairs."""
    cos, sin = turn
    first, second = x.float().chunk(2, dim=2)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=2).to(x.dtype)
