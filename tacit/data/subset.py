"""Samples of a packed set, by number: what training and evaluation are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from tacit.core import Draws, Layout, Modality, View
from tacit.data.alike import Alike, counted_from
from tacit.data.listing import Longs, Names
from tacit.data.mapped import MappedRows


@dataclass(frozen=True, eq=False)
class Subset:
    """Some samples of a data set, numbered from 0; implements `Samples`. N is their number."""

    modality: Modality
    layout: Layout
    names: Names
    """`[N]`; may hold surrogates where the file system's names are no UTF-8 (see `listing.printable`)."""
    labels: Tensor
    """Long `[N]`, index into the data set's classes, -1 where there is none."""
    groups: Tensor | None
    """Long `[N]`, -1 where there is none: what stands on one side of every split, groups or else folds, or else the
    sample that some are pieces of. None where there is nothing of the kind."""
    source_rows: Longs
    """`[N]`, rows of the source: where `Dataset.annotations` are looked up. Pieces of a sample have the same."""
    seen: Callable[[View], View]
    """What training sees of plain views."""
    _packed: MappedRows
    _rows: Longs
    _taught: Tensor | None = None
    """Float `[M, D]`, by rows of `_packed`: `View.taught`."""
    _labelled: bool = False
    """Whether views say what class a sample is of: `View.label`."""

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def units(self) -> Tensor | None:
        """Long `[N]`, equal for pieces of one sample, which are no independent ones; None where all are whole."""
        return torch.from_numpy(self.source_rows) if len(np.unique(self.source_rows)) < len(self) else None

    def view(self, rows: Tensor) -> View:
        """The plain view of the samples `rows` (long `[B]`), with `index` set to `rows`."""
        wanted = self._rows[rows.cpu().numpy()]
        taught = None if self._taught is None else self._taught[torch.from_numpy(wanted)]
        plain = self.modality.collate(torch.from_numpy(self._packed.take(wanted)), self.layout)
        label = self.labels[rows.cpu()] if self._labelled else None
        return replace(plain, index=rows, taught=taught, label=label)

    def later(self, rows: Tensor) -> Tensor:
        """Long `[B]`, the next piece of the same sample for each of `rows` (long `[B]`), itself where none is here.

        Moments say themselves what comes next (`View.later`).
        """
        return rows if self.modality.moments else self._later[rows.cpu()].to(rows.device)

    def alike(self, view: View, draws: Draws) -> View:
        """As `Samples.alike`; the view of a sample with which nothing can be shared is empty."""
        rows, places = self._alike.partners(view, draws)
        return counted_from(self.view(rows.clamp_min(0)), places, view.index).to(view.x.device)

    @cached_property
    def _alike(self) -> Alike:
        return Alike.of(len(self), self.view, self.seen)

    @cached_property
    def _later(self) -> Tensor:
        order = np.argsort(self._rows, kind="stable")
        before, after = order[:-1], order[1:]
        follows = self.source_rows[before] == self.source_rows[after]
        found = np.arange(len(self))
        found[before[follows]] = after[follows]
        return torch.from_numpy(found)

    def select(self, rows: Tensor) -> Subset:
        """The samples `rows` (long `[N]`) as a subset of their own, numbered anew."""
        chosen = rows.cpu().numpy()
        groups = None if self.groups is None else self.groups[rows.cpu()]
        names = self.names.take(chosen)
        return replace(
            self,
            names=names,
            labels=self.labels[rows.cpu()],
            groups=groups,
            source_rows=self.source_rows[chosen],
            _rows=self._rows[chosen],
        )
