"""Random numbers without a state: each one is a hash of what it is for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tacit import ranks


class Draws:
    """Random numbers for a batch, one independent stream a sample.

    Every number is a hash of (seed, epoch, index, view, draw), so a sample's view does not depend on its batch, on
    the device, on the number of processes or on what was drawn for others, and there is no state to save. The hash
    is SplitMix64's finaliser (Steele, Lea and Flood 2014) over a Weyl sequence, as in counter-based generators
    (Salmon et al. 2011).
    """

    _GOLDEN = -7046029254386353131  # 2**64 / golden ratio, odd, as a signed 64-bit integer
    _STRETCH = 2**20

    def __init__(self, keys: Tensor, view: int = 0, shared: Tensor | None = None) -> None:
        """`keys`: long `[B]`, one stream each; `shared`: those of the samples, whatever the view."""
        self._keys = keys
        self._shared = keys if shared is None else shared
        self._drawn = 0
        self.view = view
        """The number of the view among those of its method."""

    @classmethod
    def of(cls, seed: int, epoch: int, index: Tensor, view: int) -> Draws:
        """The streams of the samples `index` (long `[B]`) in `epoch` for the method's view number `view`."""
        key = 0
        for part in (seed, epoch):
            key = _mix_number(key + cls._GOLDEN + part)
        starts = [_mix_number(key + cls._GOLDEN + part) for part in (view, -1)]
        places = torch.tensor(starts, device=index.device)[:, None] + cls._GOLDEN * (index + 1)
        own, shared = _mix(places)
        return cls(own, view, shared)

    @classmethod
    def fresh(cls, count: int, device: torch.device) -> Draws:
        """`count` streams from torch's own generator, one for each sample: what a learner draws inside `forward`.

        The engine seeds that generator by (seed, step, micro-batch), so that such numbers repeat like all others.
        Where processes share a batch they are those that one process would draw for all of it.
        """
        drawn = ranks.agreed(torch.randint(2**62, (ranks.count() * count,), device=device))
        return cls(drawn[ranks.number() * count :][:count])

    @classmethod
    def common(cls, count: int, device: torch.device) -> Draws:
        """`count` streams that are no sample's, drawn as `fresh` draws and the same in all processes."""
        return cls(ranks.agreed(torch.randint(2**62, (count,), device=device)))

    def shared(self) -> Draws:
        """Numbers that are the same in all views of a sample: what views divide among themselves."""
        return Draws(self._shared, self.view)

    @property
    def device(self) -> torch.device:
        """Where the numbers are drawn."""
        return self._keys.device

    def __len__(self) -> int:
        return len(self._keys)

    def uniform(
        self, low: float = 0.0, high: float = 1.0, shape: Sequence[int] = (), *, ragged: bool = False
    ) -> Tensor:
        """Float32 `[B, *shape]` in [low, high).

        `ragged`: whether there are as many as the longest sample of the batch asks for, by the first number of `shape`.
        What is drawn next begins a new stretch of numbers then, so that it does not depend on other samples, either.
        """
        count = int(np.prod(shape, dtype=np.int64))
        slots = torch.arange(self._drawn, self._drawn + count, device=self._keys.device)
        self._drawn += count
        if ragged:
            self._drawn += -self._drawn % self._STRETCH
        bits = _mix(self._keys[:, None] + self._GOLDEN * (slots + 1))
        unit = ((bits >> 40) & 0xFFFFFF).to(torch.float32) * 2.0**-24
        return (low + (high - low) * unit).view(len(self._keys), *shape)

    def coins(self, count: int) -> Tensor:
        """Boolean `[B, count]`, fair coins: 64 of them cost as much as one number."""
        words = -(-count // 64)
        slots = torch.arange(self._drawn, self._drawn + words, device=self._keys.device)
        self._drawn += words
        bits = _mix(self._keys[:, None] + self._GOLDEN * (slots + 1)).view(torch.uint8)
        places = torch.arange(8, dtype=torch.uint8, device=bits.device)
        return ((bits[:, :, None] >> places) & 1).flatten(1)[:, :count].bool()

    def normal(self, shape: Sequence[int] = (), *, ragged: bool = False) -> Tensor:
        """Float32 `[B, *shape]`, standard normal (Box and Muller 1958); `ragged` as for `uniform`."""
        if ragged:
            radius, angle = self.uniform(shape=(*shape, 2), ragged=True).unbind(-1)
        else:
            radius, angle = self.uniform(shape=shape), self.uniform(shape=shape)
        return (-2 * torch.log1p(-radius)).sqrt() * torch.cos(2 * torch.pi * angle)

    def chance(self, probability: float) -> Tensor:
        """Boolean `[B]`, True with the given probability."""
        return self.uniform() < probability

    def integers(self, n: int) -> Tensor:
        """Long `[B]` in [0, n)."""
        return (self.uniform() * n).long().clamp_(max=n - 1)


def _mix(z: Tensor) -> Tensor:
    """SplitMix64's finaliser on signed 64-bit integers; the masks make the arithmetic shifts logical ones."""
    z = (z ^ ((z >> 30) & 0x3FFFFFFFF)) * -4658895280553007687
    z = (z ^ ((z >> 27) & 0x1FFFFFFFFF)) * -7723592293110705685
    return z ^ ((z >> 31) & 0x1FFFFFFFF)


def _mix_number(z: int) -> int:
    """`_mix` of one number, which need not have 64 bits yet."""
    z &= 2**64 - 1
    z = ((z ^ (z >> 30)) * -4658895280553007687) % 2**64
    z = ((z ^ (z >> 27)) * -7723592293110705685) % 2**64
    z ^= z >> 31
    return z - 2**64 if z >= 2**63 else z
