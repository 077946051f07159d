"""A light transformer that says what stands where an encoder saw nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tacit.core import Tokens
from tacit.nn.transformer import HEAD, Block, Rows, rotation


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
        asked_of, seen_of, where, x = (
            each.reshape(len(each) * seen.rows, -1, *each.shape[2:]) for each in (asked, seen.valid, seen.where, states)
        )
        rows = Rows(asked_of | seen_of, causal=False)
        turn = rotation(rows.flat(where), HEAD)
        x = self.read(rows.flat(x))
        x = torch.where(rows.flat(asked_of)[:, None], self.mask.to(x.dtype), x)
        for block in self.blocks:
            x = block(x, rows, turn)
        said: Tensor = self.say(self.norm(x[rows.flat(asked_of)]))
        return said
