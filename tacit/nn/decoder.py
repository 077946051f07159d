"""A decoder: writes ids one after the other, looking at what an encoder has made of a sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tacit.core import Features
from tacit.nn.transformer import HEAD, Block, Rows, Turn, rotated, rotation, start
from tacit.view import MARK


@dataclass(frozen=True, eq=False)
class Memory:
    """What an encoder has made of B samples, and the vectors that ids are read and written by."""

    tokens: Tensor
    """`[B, S, D']`."""
    valid: Tensor
    """Boolean `[B, S]`, at least one a sample."""
    table: Tensor
    """`[V, D]`, the encoder's own (Press and Wolf 2017, arXiv 1608.05859)."""

    @classmethod
    def of(cls, features: Features) -> Memory:
        """All tokens of an encoder that reads ids."""
        assert features.tokens is not None
        assert features.valid is not None
        assert features.table is not None
        return cls(features.tokens, features.valid, features.table)

    @classmethod
    def pooled(cls, features: Features) -> Memory:
        """One vector a sample, as if it were a token."""
        assert features.table is not None
        one = torch.ones_like(features.pooled[:, :1], dtype=torch.bool)
        return cls(features.pooled[:, None], one, features.table)


@dataclass(frozen=True, eq=False)
class Told:
    """What a decoder says that is told, at each place, all that stands before it: T places in B samples."""

    logits: Tensor
    """`[T, V]`."""
    wanted: Tensor
    """Long `[T]`, what stands there; `MARK` behind the last token."""
    asked: Tensor
    """Boolean `[B, L + 1]`, T times True: whose places they are."""


@dataclass(frozen=True, eq=False)
class Writing:
    """Texts while they are written, N of them, all of the same length."""

    table: Tensor
    place: int
    own: Sequence[tuple[Tensor, Tensor]]
    """Keys and values of what was written, `[N, H, place, d]` for each block."""
    read: Sequence[Read]
    """Keys and values of what was read, for each block."""

    def pick(self, rows: Tensor) -> Writing:
        """The texts `rows`, long; one may go on in several ways."""
        own = [(key[rows], value[rows]) for key, value in self.own]
        return replace(self, own=own, read=[each.pick(rows) for each in self.read])


class Decoder(nn.Module):
    """The decoder of Vaswani et al. 2017 out of the blocks of `Transformer`, each of which also looks at the encoder.

    Places turn queries and keys there, too, so that what stands at about the same place of both texts is found from
    the start. Ids are read and written by the encoder's table, which stands in `Memory` and not in the state.
    """

    def __init__(self, width: int, memory: int, depth: int, dropout: float = 0.0) -> None:
        """`width`: D, of the table; `memory`: D', of what is looked at; `depth`: blocks."""
        super().__init__()
        self.width = width
        self.blocks = nn.ModuleList(Block(width, dropout, depth) for _ in range(depth))
        self.crosses = nn.ModuleList(Cross(width, memory, dropout, depth) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, ids: Tensor, valid: Tensor, memory: Memory) -> Told:
        """What comes next at each place of the texts `ids`, long `[B, L]` with the valid ones at the left."""
        B, L = ids.shape
        count = valid.sum(dim=1, keepdim=True)
        asked = torch.arange(L + 1, device=ids.device) <= count
        before = F.pad(ids.masked_fill(~valid, MARK), (1, 0), value=MARK)
        wanted = F.pad(ids, (0, 1)).scatter(1, count, MARK)
        rows = Rows(asked, causal=True)
        turn = rotation(rows.flat(_places(L + 1, ids.device).expand(B, -1, -1)), HEAD)
        x = rows.flat(memory.table[before])
        for block, cross in self._layers():
            x = block.think(cross(block.look(x, rows, turn), cross.read(memory), rows, turn))
        return Told(self._say(x, memory.table), rows.flat(wanted), asked)

    def begin(self, memory: Memory) -> Writing:
        """B texts in which nothing is written yet."""
        empty = memory.tokens.new_zeros(len(memory.tokens), self.width // HEAD, 0, HEAD)
        read = [cross.read(memory) for _, cross in self._layers()]
        return Writing(memory.table, 0, [(empty, empty)] * len(read), read)

    def step(self, ids: Tensor, writing: Writing) -> tuple[Tensor, Writing]:
        """Write `ids`, long `[N]`, behind each text: logits `[N, V]` of what comes next, and the texts as they are now.

        The first id is `MARK`.
        """
        rows = Rows(torch.ones_like(ids, dtype=torch.bool)[:, None], causal=False)
        turn = rotation(torch.full((len(ids), 1), float(writing.place), device=ids.device), HEAD)
        x, own = writing.table[ids], []
        for (block, cross), past, read in zip(self._layers(), writing.own, writing.read, strict=True):
            grown = _Grown(*past)
            x = block.think(cross(block.look(x, grown, turn), read, rows, turn))
            own.append((grown.key, grown.value))
        return self._say(x, writing.table), replace(writing, place=writing.place + 1, own=own)

    def _layers(self) -> Iterator[tuple[Block, Cross]]:
        for block, cross in zip(self.blocks, self.crosses, strict=True):
            assert isinstance(block, Block)
            assert isinstance(cross, Cross)
            yield block, cross

    def _say(self, x: Tensor, table: Tensor) -> Tensor:
        said: Tensor = self.norm(x)
        return said @ table.T.to(said.dtype)


@dataclass(frozen=True, eq=False)
class Read:
    """What one block of a decoder looks at."""

    key: Tensor
    """`[B, H, S, d]`."""
    value: Tensor
    mask: Tensor
    """Boolean `[B, 1, 1, S]`."""

    def pick(self, rows: Tensor) -> Read:
        """The samples `rows`, long."""
        return Read(self.key[rows], self.value[rows], self.mask[rows])


class Cross(nn.Module):
    """What a token sees of another sequence, added to it."""

    def __init__(self, width: int, memory: int, dropout: float, depth: int) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.query, self.both = nn.Linear(width, width), nn.Linear(memory, 2 * width)
        self.out, self.dropout = nn.Linear(width, width), nn.Dropout(dropout)
        start((self.query, self.both), (self.out,), depth)

    def read(self, memory: Memory) -> Read:
        """Keys and values of the tokens that are looked at."""
        B, S = memory.valid.shape
        key, value = self.both(memory.tokens).view(B * S, 2, -1, HEAD).unbind(1)
        turn = rotation(_places(S, key.device).expand(B, -1, -1).flatten(0, 1), HEAD)
        key, value = (x.view(B, S, -1, HEAD).transpose(1, 2) for x in (rotated(key, turn), value))
        return Read(key, value, memory.valid[:, None, None])

    def forward(self, x: Tensor, read: Read, rows: Rows, turn: Turn) -> Tensor:
        """`[T, D]` -> `[T, D]`; `rows` say where the tokens lie in a batch."""
        query = rotated(self.query(self.before(x)).view(len(x), -1, HEAD), turn)
        query = rows.padded(query).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(query, read.key.to(query.dtype), read.value.to(query.dtype), read.mask)
        seen: Tensor = self.dropout(self.out(rows.flat(mixed.transpose(1, 2)).flatten(1)))
        return x + seen


class _Grown:
    """Attention of one more token to all that were written before, and to itself."""

    def __init__(self, key: Tensor, value: Tensor) -> None:
        """`[N, H, t, d]` each."""
        self.key, self.value = key, value

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """`[N, H, d]` each -> `[N, H d]`."""
        self.key, self.value = (torch.cat([a, b[:, :, None]], dim=2) for a, b in ((self.key, key), (self.value, value)))
        return F.scaled_dot_product_attention(query[:, :, None], self.key, self.value).flatten(1)


def _places(length: int, device: torch.device) -> Tensor:
    """Float `[length, 1]`."""
    return torch.arange(length, device=device, dtype=torch.float)[:, None]
