"""A set of samples ready for training and evaluation: packed, labelled, split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tacit.config import Config
from tacit.console import say
from tacit.core import Layout, Modality, Raw
from tacit.data import cache, pieces
from tacit.data.annotation import Annotations
from tacit.data.listing import PARTS, Longs, Names, Source, describe, printable
from tacit.data.source import open_source
from tacit.data.splits import assign, inside
from tacit.data.subset import Subset
from tacit.data.timed import timed
from tacit.errors import DataError, Unreadable

_TEST = PARTS.index("test")


@dataclass(frozen=True, eq=False)
class Grouping:
    """What a column says of which samples belong together."""

    codes: Tensor
    """Long `[N]`, index into `names`, -1 where there is none."""
    names: Names


@dataclass(frozen=True, eq=False)
class Dataset:
    """What `open_dataset` returns."""

    name: str
    """What the user called it."""
    modality: Modality
    layout: Layout
    classes: tuple[str, ...]
    content_hash: str
    """SHA-256 over the raw contents of all samples, in order."""
    protocol: str
    """How the split was made; belongs to every result."""
    notes: tuple[str, ...]
    """What the user should know about the data."""
    skipped: tuple[tuple[str, str], ...]
    """(name, reason) of the samples that could not be read."""
    parts: Mapping[str, Longs]
    """`train`, `val`, `test` -> rows of the whole set; a part that does not exist is absent."""
    annotations: Annotations | None
    """What was drawn on the samples or written of them, by row of the source (`Subset.source_rows`); or None."""
    raw: Callable[[int], Raw]
    """Row of the source -> the sample as it lies there, whole; raises `Unreadable`."""
    tokens: npt.NDArray[np.uint64]
    """`[N]` over the whole set, equal for samples with identical raw contents."""
    groupings: Mapping[str, Grouping]
    """`group`, `fold` -> which samples of the whole set belong together, where the source has such a column."""
    _whole: Subset
    times: Callable[[int], Sequence[object]] | None = None
    """Row of the source -> when each of its steps was, in order, as it is written; raises `Unreadable`. Empty or None
    where the data do not say."""
    teacher: str | None = None
    """Hash of the encoder whose features the samples' views bring along, where they do."""

    def __len__(self) -> int:
        return len(self._whole)

    @property
    def labels(self) -> Tensor:
        """Long `[N]` over the whole set, -1 where there is none."""
        return self._whole.labels

    def say_notes(self) -> None:
        """Tell the user what they should know about the data."""
        for note in self.notes:
            say(f"note: {note}")

    def everything(self) -> Subset:
        """The whole set in the order of the source, whatever the split."""
        return self._whole

    def part(self, name: str) -> Subset:
        """The part `train`, `val` or `test`. Raises `DataError` where the set has none."""
        if not self.parts:
            unit = self.modality.unit
            raise DataError(
                f"of none of the {len(self):,} {unit} in {printable(self.name)} enough is left to learn from, aside "
                f"from what is held out of each: give {unit} of which more is known"
            )
        if name not in self.parts:
            have = ", ".join(self.parts)
            raise DataError(f"{printable(self.name)} has no part {name!r}; it has: {have} ({self.protocol})")
        return self._whole.select(torch.from_numpy(self.parts[name]))

    def part_of(self) -> npt.NDArray[np.object_]:
        """`[N]` over the whole set: `train`, `val`, `test`, or None where a sample is in no part."""
        names = np.full(len(self), None, dtype=object)
        for name, rows in self.parts.items():
            names[rows] = name
        return names

    def relabelled(self, labels: Tensor, classes: tuple[str, ...]) -> Dataset:
        """The same set with other labels (long `[N]`, -1 for none) of other classes."""
        return replace(self, classes=classes, _whole=replace(self._whole, labels=labels))

    def taught(self, features: Tensor, teacher: str) -> Dataset:
        """The same set, whose views say what an encoder made of each sample: `features`, float `[N, D]` over the whole
        set. `teacher`: that encoder's hash."""
        return replace(self, teacher=teacher, _whole=replace(self._whole, _taught=features))

    def labelled(self) -> Dataset:
        """The same set, whose views say each sample's class (`View.label`): for learners that ask for labels."""
        return replace(self, _whole=replace(self._whole, _labelled=True))

    def write_skipped(self, path: Path) -> None:
        """Write name and reason of each skipped sample, a line each, separated by a tab."""
        cache.write_table(path, self.skipped)


def open_dataset(
    data: str,
    modality: Modality,
    wanted: Config,
    layout: Layout | None = None,
    *,
    seed: int = 0,
    max_bad: float = 0.01,
    cache_dir: Path | None = None,
) -> Dataset:
    """Open, pack and split DATA (see `source.open_source` for what it may be).

    `wanted` is the modality's configuration, `layout` that of an existing encoder; without it the set is surveyed.

    Raises:
        DataError: DATA is nothing that can be opened, is empty, or more than the fraction `max_bad` is unreadable.
        RunError: the cache cannot be written.
    """
    source = opened(data, modality, wanted if layout is None else layout, cache_dir)
    made = of_source(source, modality, wanted, layout, seed=seed, max_bad=max_bad, cache_dir=cache_dir)
    return replace(made, name=data)


def opened(data: str, modality: Modality, settings: Config, cache_dir: Path | None = None) -> Source:
    """The samples in DATA (see `source.open_source`) at the steps that `settings` ask for, a layout or config."""
    source = open_source(data, modality.suffixes, cache_dir, modality.records)
    return source if modality.every is None else timed(source, modality.every(settings))


def of_source(
    source: Source,
    modality: Modality,
    wanted: Config,
    layout: Layout | None = None,
    *,
    seed: int = 0,
    max_bad: float = 0.01,
    cache_dir: Path | None = None,
) -> Dataset:
    """The samples of `source`, as `opened`, packed and split. Raises as `open_dataset`."""
    if len(source) == 0:
        raise _empty(source, modality)
    surveyed = layout is None
    if layout is None:
        layout = cache.survey(source, modality, _some(source, modality.surveyed), wanted, cache_dir)
    packed = cache.pack(source, modality, layout, max_bad=max_bad, cache_dir=cache_dir)
    split = assign(source, packed, seed=seed) if modality.within is None else inside(packed, modality, layout, wanted)
    labels = torch.from_numpy(source.labels[packed.kept].astype(np.int64))
    groupings = _groupings(source, packed)
    names = source.names.take(packed.kept) if packed.skipped or packed.parts else source.names
    notes = [*pieces.notes(source, packed, modality, layout)]
    notes += pieces.cut_off(packed, modality, layout, wanted) if surveyed else ()
    return Dataset(
        name=source.title,
        modality=modality,
        layout=layout,
        classes=source.classes,
        content_hash=packed.content_hash,
        protocol=split.protocol,
        notes=(*source.notes, *split.notes, *_notes(source, packed, labels), *notes),
        skipped=tuple((source.name(row), reason) for row, reason in packed.skipped),
        parts=split.parts,
        annotations=pieces.of_whole(source.annotations, packed),
        raw=source.raw,
        tokens=packed.tokens,
        groupings=groupings,
        _whole=Subset(
            modality,
            layout,
            names.joined(packed.parts) if packed.parts else names,
            labels,
            pieces.groups(source, packed),
            packed.kept,
            lambda view: modality.seen(view, wanted) if modality.seen else view,
            packed.rows,
            np.arange(len(packed)),
        ),
        times=source.times,
    )


def _groupings(source: Source, packed: cache.Packed) -> dict[str, Grouping]:
    columns = (("group", source.groups, source.group_names), ("fold", source.folds, source.fold_names))
    return {
        column: Grouping(torch.from_numpy(codes[packed.kept].astype(np.int64)), names)
        for column, codes, names in columns
        if codes is not None and names is not None
    }


def _some(source: Source, most: int) -> Iterator[Raw]:
    """Raw samples spread evenly over what the source does not set aside for testing, at most `most` of them.

    Raises `DataError` where none can be had.
    """
    reasons: list[str] = []
    found = False
    rows = np.arange(len(source)) if source.splits is None else np.flatnonzero(source.splits != _TEST)
    rows = rows if len(rows) else np.arange(len(source))
    for row in rows[np.unique(np.linspace(0, len(rows) - 1, most).astype(np.int64))].tolist():
        try:
            raw = source.raw(row)
        except Unreadable as error:
            reasons.append(f"  {printable(source.name(row))}: {error}")
            continue
        found = True
        yield raw
    if not found:
        raise DataError("\n".join([f"nothing in {printable(source.title)} can be read:", *reasons[:5]]))


def _empty(source: Source, modality: Modality) -> DataError:
    seen = f"; there are other files ({describe(source.others)})" if source.others else ""
    return DataError(
        f"{printable(source.title)} holds no {modality.sources}: looked for names ending with "
        f"{', '.join(sorted(modality.suffixes))}{seen}"
    )


def _notes(source: Source, packed: cache.Packed, labels: Tensor) -> Sequence[str]:
    notes = []
    if packed.skipped:
        notes.append(f"{len(packed.skipped):,} of {len(source):,} samples cannot be read and are skipped")
    if source.others:
        notes.append(f"files with other suffixes are passed over: {describe(source.others)}")
    missing = int((labels < 0).sum())
    if source.classes and missing:
        notes.append(f"{missing:,} of {len(labels):,} samples have no label")
    return notes
