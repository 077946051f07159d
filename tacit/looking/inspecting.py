"""A data set before training: counts, sizes, duplicates, annotations, cost, and what follows from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tacit import console, interrupt, training
from tacit.data.annotation import Annotations, Boxes
from tacit.data.dataset import Dataset, open_dataset
from tacit.data.listing import printable
from tacit.data.masks import pack_masks
from tacit.data.placing import shown, to_packed
from tacit.errors import DataError, Unreadable, UsageError
from tacit.evaluation.features import sample_of
from tacit.evaluation.spans import of_numbers
from tacit.initial.asked import asked
from tacit.looking.costing import estimate
from tacit.report import advice, sheet
from tacit.report.inspection import Drawn, Inspection, Spread, Twins
from tacit.searching import duplicates

LOOKED_AT = 5_000
"""Samples whose facts are read, in runs of neighbours spread over the set; fewer where there are fewer."""
NEAR = 100_000
"""Near duplicates are sought among at most so many samples: the time grows with the square."""
TRIAL = 3.0
"""Seconds of trial steps."""
_RUN = 100
SMALL = 8
"""Cells of a packed sample under which a box is called small: the stride of most finest maps, twice."""


def inspect(layers: Sequence[Mapping[str, Any]], *, seconds: float = TRIAL) -> tuple[Inspection, Dataset]:
    """What there is to know of the data set of the run that `layers` of settings describe, and the set itself.

    Packs the set, as training would. Unreadable samples are no error here, unless there are no others.

    Raises:
        DataError: the data cannot be opened, or nothing in them can be read.
        UsageError: a setting is wrong.
    """
    config = training.configure(layers)
    with interrupt.listening():
        dataset = open_dataset(config.data, config.kind, config.modality, seed=config.seed, max_bad=1.0)
        dataset = asked(dataset, config)
        notes = list(dataset.notes)
        cost = None
        try:
            cost = estimate(config, dataset, seconds)  # before all else: its memory is to be that of training alone
        except DataError as error:
            notes.append(f"{config.method.name} cannot be tried: {error}")
        facts, values = _facts(dataset)
        seen = Inspection(
            data=printable(config.data),
            unit=config.kind.unit,
            sources=config.kind.sources,
            samples=len(dataset),
            wholes=len(np.unique(dataset.everything().source_rows)),
            unreadable=tuple((printable(name), printable(reason)) for name, reason in dataset.skipped),
            parts={name: len(rows) for name, rows in dataset.parts.items()},
            protocol=dataset.protocol,
            classes=_classes(dataset),
            unlabelled=int((dataset.labels < 0).sum()),
            groups=_grouped(dataset, "group"),
            folds=_grouped(dataset, "fold"),
            layout=dataset.layout.brief(),
            looked_at=max((len(known) for known in values.values()), default=0),
            facts=facts,
            drawn=tuple(_drawn(dataset, notes)),
            twins=_twins(dataset),
            cost=cost,
            notes=tuple(notes),
            labelled=not config.kind.tasks,
        )
        own = _own_advice(dataset, values)
    return replace(seen, advice=(*advice.general(seen), *own)), dataset


def _classes(dataset: Dataset) -> dict[str, dict[str, int]]:
    counted = {}
    for name in dataset.parts:
        labels = dataset.part(name).labels
        numbers = torch.bincount(labels[labels >= 0], minlength=len(dataset.classes)).tolist()
        known = dict(zip(map(printable, dataset.classes), numbers, strict=True)) if sum(numbers) else {}
        counted[name] = known
    return counted


def _grouped(dataset: Dataset, column: str) -> int | None:
    """How many groups or folds there are; None where the data have no such column."""
    grouping = dataset.groupings.get(column)
    return None if grouping is None else len(torch.unique(grouping.codes[grouping.codes >= 0]))


def _facts(dataset: Dataset) -> tuple[dict[str, Mapping[str, int] | Spread], dict[str, list[str | float]]]:
    """The facts of the samples that are looked at, summarised, and one by one."""
    values: dict[str, list[str | float]] = {}
    look = dataset.modality.facts
    if look is None:
        return {}, values
    source_rows = np.unique(dataset.everything().source_rows)  # a sample in pieces is looked at once
    rows = _spread_rows(len(source_rows), LOOKED_AT)
    with console.progress("looking", len(rows)) as tick:
        for done, row in enumerate(rows.tolist(), 1):
            interrupt.check()
            try:
                known = {**look(dataset.raw(int(source_rows[row]))), **_rhythm(dataset, int(source_rows[row]))}
            except Unreadable:  # it was readable when the set was packed: it has been changed since
                continue
            for name, value in known.items():
                values.setdefault(name, []).append(value)
            tick(done)
    return {name: _summary(known) for name, known in values.items()}, values


def _rhythm(dataset: Dataset, source_row: int) -> Mapping[str, str | float]:
    """What is to be known of when the steps of a sample were. Raises `Unreadable`."""
    look, times = dataset.modality.rhythm, dataset.times
    return look(times(source_row)) if look and times else {}


def _spread_rows(count: int, most: int) -> npt.NDArray[np.int64]:
    """At most `most` of `count` rows: runs of neighbours, since some sources are quick only at reading on."""
    if count <= most:
        return np.arange(count)
    starts = np.linspace(0, count - _RUN, most // _RUN).astype(np.int64)
    return np.unique(starts[:, None] + np.arange(_RUN))


def _summary(values: Sequence[str | float]) -> Mapping[str, int] | Spread:
    if isinstance(values[0], str):
        return dict(Counter(map(str, values)).most_common())
    numbers = np.array(values, np.float64)
    return Spread(float(numbers.min()), float(np.median(numbers)), float(numbers.max()))


def _own_advice(dataset: Dataset, values: Mapping[str, Sequence[str | float]]) -> Sequence[str]:
    """What the modality has to say."""
    own = dataset.modality.advice
    return own(values, dataset.layout, sample_of(dataset.everything())) if own and values else ()


def _twins(dataset: Dataset) -> Twins:
    if len(dataset) > NEAR:
        blind = replace(dataset.modality, fingerprint=None)
        found = duplicates.find(replace(dataset, modality=blind))
    else:
        found = duplicates.find(dataset)
    names = dataset.everything().names
    return Twins(
        measure=found.measure,
        exact=found.surplus("bytes", "values"),
        near=found.surplus("hash", "features"),
        leaks=len(found.leaks),
        conflicts=len(found.conflicts),
        examples=tuple(printable(names[row]) for row in _pair(found)),
    )


def _pair(found: duplicates.Duplicates) -> list[int]:
    """Two members of the gravest group, on two sides of the split if it has some."""
    if not found.groups:
        return []
    rows = found.groups[0].rows
    parts = found.dataset.part_of()[rows]
    apart = np.flatnonzero(parts != parts[0])
    return [int(rows[0]), int(rows[apart[0] if len(apart) else 1])]


def _drawn(dataset: Dataset, notes: list[str]) -> Iterator[Drawn]:
    """The annotations, counted; what is wrong with them is added to `notes`."""
    annotations = dataset.annotations
    if annotations is None:
        return
    notes += annotations.notes
    boxes = annotations.of("boxes")
    if boxes is not None:
        yield _boxes(dataset, boxes)
    if annotations.of("masks") is not None:
        try:
            yield _masks(dataset)
        except DataError as error:
            notes.append(str(error))
    written = next((some for kind in ("tags", "transcripts") if (some := annotations.of(kind)) is not None), None)
    if written is not None:
        yield _written(dataset, written)


def _written(dataset: Dataset, annotations: Annotations) -> Drawn:
    """Tags and transcripts: spans of each class, and how often each letter is said."""
    rows = dataset.everything().source_rows
    rows = rows[annotations.present[rows]]
    chosen = rows[_spread_rows(len(rows), LOOKED_AT)]
    counts: Counter[str] = Counter({printable(name): 0 for name in annotations.classes})
    for row in chosen.tolist():
        interrupt.check()
        said = annotations.read(row)
        if isinstance(said, str):
            counts.update("space" if letter == " " else printable(letter) for letter in said)
        else:
            assert isinstance(said, np.ndarray)
            counts.update(printable(annotations.classes[kind]) for kind, _, _ in of_numbers(said.tolist()))
    return Drawn(annotations.kind, len(rows), len(chosen), 0, counts, None)


def _boxes(dataset: Dataset, annotations: Annotations) -> Drawn:
    rows = dataset.everything().source_rows
    rows = rows[annotations.present[rows]]
    chosen = rows[_spread_rows(len(rows), LOOKED_AT)]
    counts = np.zeros(len(annotations.classes), np.int64)
    sides: list[npt.NDArray[np.float32]] = []
    unreadable = 0
    with console.progress("reading boxes", len(chosen)) as tick:
        for done, row in enumerate(chosen.tolist(), 1):
            interrupt.check()
            try:
                drawn = annotations.read(row)
                assert isinstance(drawn, Boxes)
                sides += _sides(dataset, row, drawn)
                counts += np.bincount(drawn.labels, minlength=len(counts))
            except Unreadable:
                unreadable += 1
            tick(done)
    packed = np.concatenate(sides) if sides else np.empty(0, np.float32)
    classes = dict(zip(map(printable, annotations.classes), counts.tolist(), strict=True))
    small = float((packed < SMALL).mean()) if len(packed) else None
    return Drawn("boxes", len(rows), len(chosen) - unreadable, unreadable, classes, small)


def _sides(dataset: Dataset, row: int, drawn: Boxes) -> list[npt.NDArray[np.float32]]:
    """The shorter sides of boxes in packed cells, `[K]`, where samples are grids. Raises `Unreadable`."""
    modality = dataset.modality
    if modality.window is None or modality.extent is None or not modality.grid:
        return []
    extent = modality.extent(dataset.raw(row))
    height, width = dataset.layout.shape[-2:]
    window = modality.window(extent[0], extent[1], dataset.layout)
    corners = to_packed(shown(drawn, extent), window, (height, width))
    return [np.minimum(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])]


def _masks(dataset: Dataset) -> Drawn:
    """Raises `DataError` where the masks fit neither the samples nor each other."""
    packed = pack_masks(dataset, max_bad=1.0)
    rows = dataset.everything().source_rows
    masks = dataset.annotations.of("masks") if dataset.annotations else None
    whole = int(masks.present[rows].sum()) if masks else 0
    rows = rows[packed.place[rows] >= 0]
    counts = np.zeros(256, np.int64)
    for some in np.array_split(rows[_spread_rows(len(rows), LOOKED_AT)], 50):
        interrupt.check()
        counts += np.bincount(packed.take(some).ravel(), minlength=256)
    shares = counts[: len(packed.classes)] / max(1, counts.sum())
    classes = dict(zip(map(printable, packed.classes), shares.tolist(), strict=True))
    named = masks is not None and masks.legend is not None
    return Drawn("masks", whole, min(len(rows), LOOKED_AT), whole - len(rows), classes, None, named)


def draw(dataset: Dataset, path: Path, *, seed: int = 0) -> None:
    """Write a contact sheet: random samples, as they are packed, class by class. Raises `UsageError`, `RunError`."""
    picture = dataset.modality.picture
    if picture is None:
        raise UsageError(f"{dataset.modality.unit} cannot be drawn: leave --picture out")
    samples = dataset.everything()
    rng = np.random.default_rng(seed)
    labels = samples.labels.numpy()
    columns, rows = 10, []
    known = [code for code in range(len(dataset.classes)) if (labels == code).any()]
    each = max(1, min(columns, 120 // max(1, len(known))))
    for code in known[:120] or [-1]:
        members = np.flatnonzero(labels == code)
        wanted = each if known else 6 * columns
        rows += np.sort(rng.permutation(members)[:wanted]).tolist()
    chosen = torch.tensor(rows)
    captions = []
    for row in rows:
        name = printable(samples.names[row]).rpartition("/")[2]
        captions.append(f"{printable(dataset.classes[labels[row]])}\n{name}" if labels[row] >= 0 else name)
    title = f"{printable(dataset.name)}: {len(rows)} of {len(samples):,} {dataset.modality.unit}, as they are packed"
    sheet.contact(picture(samples.view(chosen)), captions, path, title=title, columns=columns)
