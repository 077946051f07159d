"""A light transformer that says what stands where an encoder saw nothing."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tacit.core import Tokens
from tacit.nn.transformer import HEAD, Block, Rows, Turn, rotated, rotation, start


class Predictor(nn.Module):
    """The decoder of MAE (He et al. 2022, arXiv 2111.06377, section 3) and the predictor of I-JEPA.

    What an encoder made of the tokens that it saw stands among mask tokens, a learnt vector at each place that is asked
    for; blocks of `Transformer`, narrower ones, look at all of them from all sides. Which place it is, a mask token is
    told by rotation, as all others are.
    """

    def __init__(self, read: int, said: int, width: int, depth: int) -> None:
        """`read`: D', of the encoder's states; `said`: E, of what is said; `width`: of a token in between; `depth`:
        blocks."""
        super().__init__()
        self.read, self.say = nn.Linear(read, width), nn.Linear(width, said)
        self.mask = nn.Parameter(torch.randn(width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, 0.0, depth) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, states: Tensor, seen: Tokens, asked: Tensor) -> Tensor:
        """`[M, E]` about the tokens `asked`, boolean `[B, L]`, M times True, from the `states [B, L, D']` of those that
        are valid in `seen`."""
        asked_of, seen_of, where, x = _by_row(seen, asked, states)
        rows = Rows(asked_of | seen_of, causal=False)
        turn = rotation(rows.flat(where), HEAD)
        x = self.read(rows.flat(x))
        x = torch.where(rows.flat(asked_of)[:, None], self.mask.to(x.dtype), x)
        for block in self.blocks:
            x = block(x, rows, turn)
        said: Tensor = self.say(self.norm(x[rows.flat(asked_of)]))
        return said


class Asker(nn.Module):
    """The predictor of CAPI (Darcet et al. 2025, arXiv 2502.08769): mask tokens, a learnt vector at each place that is
    asked for, look at what an encoder made of the tokens that it saw, and never at one another.

    What is said of a place thus depends on no other one that is asked for, and only masks are computed.
    """

    def __init__(self, read: int, width: int, depth: int) -> None:
        """`read`: D', of the encoder's states; `width`: E, of what is said; `depth`: blocks."""
        super().__init__()
        self.mask = nn.Parameter(torch.randn(width) * 0.02)
        self.blocks = nn.ModuleList(_Asking(read, width, depth) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, states: Tensor, seen: Tokens, asked: Tensor) -> Tensor:
        """`[M, E]` about the tokens `asked`, as those of `Predictor` are."""
        asked_of, seen_of, where, x = _by_row(seen, asked, states)
        masks, context = Rows(asked_of, causal=False), _Context(x, where, seen_of)
        places = masks.flat(where)
        turn = rotation(places, HEAD)
        y = self.mask.expand(len(places), -1)
        for block in self.blocks:
            y = block(y, masks, turn, context)
        said: Tensor = self.norm(y)
        return said


class _Context:
    """What of each sequence was seen, one behind the other: `states [B, S, D']`, up to S of them."""

    def __init__(self, states: Tensor, where: Tensor, seen: Tensor) -> None:
        """`where [B, L, k]` of `states [B, L, D']`; `seen`, boolean `[B, L]`."""
        longest = max(1, int(seen.sum(dim=1).max()))
        first = seen.int().argsort(dim=1, descending=True, stable=True)[:, :longest]
        self.states, places = (each.take_along_dim(first[..., None], dim=1) for each in (states, where))
        self.turn = rotation(places.flatten(0, 1), HEAD)
        there = seen.take_along_dim(first, dim=1)
        there = there | ~there.any(dim=1, keepdim=True)  # where nothing was seen, zeros are looked at
        self.mask = None if bool(there.all()) else there[:, None, None]


class _Asking(nn.Module):
    """A block of `Asker`: a look at what was seen, then a layer a mask, each added to what it read."""

    def __init__(self, read: int, width: int, depth: int) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.both, self.out = nn.Linear(width, width), nn.Linear(read, 2 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        start((self.query, self.both, self.wide), (self.out, self.narrow), depth)

    def forward(self, y: Tensor, masks: Rows, turn: Turn, context: _Context) -> Tensor:
        """`[M, E]` -> `[M, E]`."""
        count, longest, _ = context.states.shape
        query = rotated(self.query(self.before(y)).view(len(y), -1, HEAD), turn)
        key, value = self.both(context.states).view(count * longest, 2, -1, HEAD).unbind(dim=1)
        key = rotated(key, context.turn)
        key, value = (each.view(count, longest, -1, HEAD).transpose(1, 2) for each in (key, value))
        seen = F.scaled_dot_product_attention(masks.padded(query).transpose(1, 2), key, value, context.mask)
        y = y + self.out(masks.flat(seen.transpose(1, 2)).flatten(1))
        added: Tensor = self.narrow(F.gelu(self.wide(self.between(y))))
        return y + added


def _by_row(seen: Tokens, asked: Tensor, states: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of each sequence by itself: which tokens are `asked`, and which were seen, `[B rows, L]`; their places; the
    `states` of those that were seen."""
    rows = len(asked) * seen.rows
    return (
        asked.reshape(rows, -1),
        seen.valid.reshape(rows, -1),
        seen.where.reshape(rows, -1, seen.where.shape[2]),
        states.reshape(rows, -1, states.shape[2]),
    )
