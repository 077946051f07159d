"""Which samples of ids have an id in common: an index from ids to where training sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from tacit import interrupt
from tacit.augment.tokens import kept
from tacit.core import Draws, View
from tacit.data.listing import Longs
from tacit.view import FIRST_WORD

_BLOCK = 4_096
"""Samples that are looked at together."""


@dataclass(frozen=True, eq=False)
class Alike:
    """Where each id stands in N samples with something before it: M places, by id, then by sample."""

    keys: Longs
    """`[M]`, `id * N + sample`, rising."""
    places: Longs
    """`[M]`, where in the plain view of the sample the id stands."""
    count: int
    """N."""

    @classmethod
    def of(cls, count: int, view: Callable[[Tensor], View], seen: Callable[[View], View]) -> Alike:
        """`view`: rows (long `[B]`) of `count` samples -> their plain views; `seen`: what of these training sees, each
        item of it at the place where the plain view has it."""
        keys, places = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for start in range(0, count, _BLOCK):
            interrupt.check()
            rows = torch.arange(start, min(count, start + _BLOCK))
            shown = seen(view(rows))
            assert shown.valid is not None
            row, place = (shown.valid & (shown.x >= FIRST_WORD)).nonzero().unbind(1)
            row, place = row[place > 0], place[place > 0]
            keys.append((shown.x[row, place] * count + rows[row]).numpy())
            places.append(place.numpy())
        whole = np.concatenate(keys)
        order = np.argsort(whole, kind="stable")
        return cls(whole[order], np.concatenate(places)[order], count)

    def partners(self, view: View, draws: Draws) -> tuple[Tensor, Tensor]:
        """For each sample of `view` (ids `[B, L]`, with `index`) another one that has an id of it and where: long `[B]`
        each. Where no other has it, it is the same one; where the view has nothing with something before it, -1 both.

        The id is drawn evenly from the places of the view but its first, the other sample from all places of the id.
        """
        assert view.valid is not None
        assert view.index is not None
        uniform = draws.uniform(shape=(2,)).cpu().numpy().astype(np.float64)
        asked = (view.valid & (view.x >= FIRST_WORD)).cpu()
        asked[:, :1] = False
        nth = (torch.from_numpy(uniform[:, 0]) * asked.sum(dim=1)).long()
        place = (asked & (asked.cumsum(dim=1) == nth[:, None] + 1)).long().argmax(dim=1, keepdim=True)
        wanted, own = view.x.cpu().gather(1, place)[:, 0].numpy(), view.index.cpu().numpy()
        first, last = (np.searchsorted(self.keys, each * self.count) for each in (wanted, wanted + 1))
        begin, end = (np.searchsorted(self.keys, wanted * self.count + each) for each in (own, own + 1))
        others = (last - first) - (end - begin)
        drawn = first + np.minimum((uniform[:, 1] * others).astype(np.int64), np.maximum(others - 1, 0))
        drawn = np.where(others > 0, drawn + np.where(drawn >= begin, end - begin, 0), begin)
        told = asked.any(dim=1).numpy() & (last > first)
        safe = np.where(told, drawn, 0)
        rows = np.where(told, self.keys[safe] % self.count, -1) if len(self.keys) else np.full(len(own), -1)
        places = np.where(told, self.places[safe], -1) if len(self.keys) else np.full(len(own), -1)
        return torch.from_numpy(rows), torch.from_numpy(places)


def counted_from(view: View, place: Tensor, index: Tensor | None) -> View:
    """The plain view of samples of ids, its places counted from `place` (long `[B]`), as views of the samples `index`;
    nothing of those whose place is below 0."""
    assert view.valid is not None
    where = torch.arange(view.x.shape[1], device=view.x.device) - place[:, None]
    return replace(kept(view, view.valid & (place >= 0)[:, None]), where=where, index=index)
