"""Samples with truth, split into what is learnt from, what decides, and what judges once at the end."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tacit.console import say
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.data.subset import Subset
from tacit.errors import DataError
from tacit.evaluation.linear import HELD_OUT, held_out, units_of
from tacit.heads.head import Targets
from tacit.truth import TRUTH


@dataclass(frozen=True, eq=False)
class Part:
    """Samples and what is known about them."""

    samples: Subset
    targets: Targets

    def select(self, rows: Tensor) -> Part:
        """Some of them, numbered anew."""
        return Part(self.samples.select(rows), self.targets.select(rows))

    def few(self, most: int | None) -> Part:
        """At most so many of them, evenly spread."""
        count = len(self.samples)
        return self if most is None or count <= most else self.select(torch.linspace(0, count - 1, most).long())


@dataclass(frozen=True, eq=False)
class Parts:
    """A set with truth, split. `val` and `test` are None where there are no samples for them."""

    train: Part
    val: Part | None
    test: Part | None
    protocol: str
    """Where the validation part comes from."""


def split(dataset: Dataset, task: str, *, seed: int = 0, max_bad: float = 0.01) -> Parts:
    """The samples whose truth for `task` is known, by part; a fifth of train is held out where the data bring no `val`.

    Raises `DataError` where there are not enough to learn from, or more than the fraction `max_bad` of what was drawn
    on samples cannot be used.
    """
    targets, known = TRUTH[task](dataset, max_bad)
    whole = Part(dataset.everything(), targets)
    found = {}
    for name, members in dataset.parts.items():
        rows = torch.from_numpy(members)
        labelled = rows[known[rows]]
        if len(labelled) < len(rows):
            missing = len(rows) - len(labelled)
            say(f"note: {missing:,} of {len(rows):,} samples of the {name} part are left out: no label")
        if len(labelled):
            found[name] = whole.select(labelled)
    unit = dataset.modality.unit
    if "train" not in found or len(found["train"].samples) < 2:
        raise DataError(
            f"{printable(dataset.name)} has fewer than 2 labelled {unit} in its training part, and learning needs at "
            "least 2, better a dozen of each class: label more of them"
        )
    train, val, where = found["train"], found.get("val"), "the data's own"
    if val is None:
        rows = _held_out(train, seed)
        kept = torch.ones(len(train.samples), dtype=torch.bool)
        kept[rows] = False
        where = f"{HELD_OUT:.0%} of the training part, drawn {_way(train)}"
        if len(rows) and kept.sum() > 1:
            train, val = train.select(kept.nonzero().flatten()), train.select(rows.sort().values)
        else:
            where = "none: too few samples to hold some out, so the last weights are kept"
    _note_rare(train.targets)
    return Parts(train, val, found.get("test"), where)


def _way(train: Part) -> str:
    if train.samples.groups is not None:
        return "by group"
    return "at random" if train.targets.groups() is None else "by class"


def _held_out(train: Part, seed: int) -> Tensor:
    """Rows, long: about a fifth, whole groups where the data know groups, else by class."""
    groups = train.samples.groups
    if groups is None:
        labels = train.targets.groups()
        return held_out(labels if labels is not None else torch.zeros(len(train.samples)), seed)
    units, of = units_of(groups)
    order = torch.randperm(units, generator=torch.Generator().manual_seed(seed))
    sizes = torch.bincount(of)[order]
    chosen = order[sizes.cumsum(0) <= HELD_OUT * len(groups)]
    return torch.isin(of, chosen).nonzero().flatten()


def _note_rare(targets: Targets) -> None:
    """Say which classes have hardly a sample to learn from."""
    groups = targets.groups()
    if groups is None:
        return
    counts = torch.bincount(groups, minlength=len(targets.classes)).tolist()
    for few, words in ((0, "no sample"), (1, "a single sample")):
        names = [name for name, count in zip(targets.classes, counts, strict=True) if count == few]
        if names:
            shown = ", ".join(repr(name) for name in names[:5]) + (", ..." if names[5:] else "")
            say(f"note: {words} to learn from for {shown}")
