"""The labelled samples of a data set, set up to judge by: split once, or in folds that are left out in turn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit.console import say
from tacit.data.dataset import Dataset
from tacit.data.listing import number_classes, printable
from tacit.data.subset import Subset
from tacit.errors import DataError
from tacit.evaluation.crossed import Crossed, Fold
from tacit.evaluation.few_label import drawn
from tacit.evaluation.setup import Bench
from tacit.truth.labels import DRAWN

COLUMNS = ("fold", "group")
"""What can be left out in turn."""
_HOW = "put the files into one sub-folder per class, or give a CSV with the columns path,label"
MOST_FOLDS = 100
"""Every probe is fitted once for each fold."""


def bench_of(dataset: Dataset, *, seed: int, totals: Sequence[int], draws: int, balanced: bool = False) -> Bench:
    """The labelled samples of `dataset`, but for classes that cannot be both learnt and tested, which are named.

    Raises `DataError` where they cannot judge anything.
    """
    train, test = _labelled(dataset, "train"), _labelled(dataset, "test")
    counts = torch.stack([part.labels.bincount(minlength=len(dataset.classes)) for part in (train, test)])
    judged = (counts > 0).all(0)
    number = torch.where(judged, judged.cumsum(0) - 1, -1)
    left_out = _left_out(dataset, judged, "no sample to learn from, or none to test on")
    (train, train_labels), (test, test_labels) = _of_classes(train, number), _of_classes(test, number)
    val = _of_classes(_labelled(dataset, "val"), number) if "val" in dataset.parts else None
    protocol = _protocol(dataset, dataset.protocol, left_out, train, train_labels, test, test_labels)
    return Bench(
        train=train,
        train_labels=train_labels,
        test=test,
        test_labels=test_labels,
        classes=[name for name in dataset.classes if name not in left_out],
        val=val if val is not None and len(val[1]) else None,
        groups=train.groups,
        train_units=train.units,
        units=test.units,
        protocol=protocol,
        seed=seed,
        totals=totals,
        draws=draws,
        balanced=balanced,
    )


def drawn_of(bench: Bench, sizes: Sequence[int]) -> Mapping[str, Tensor]:
    """The few labels of every row, by `sizes` or the bench's totals: metric -> rows of the training part, `[S, L]`."""
    classes, totals, units = len(bench.classes), bench.totals, bench.train_units
    return drawn(bench.train_labels, classes, sizes, totals, units=units, draws=bench.draws, seed=bench.seed)


def crossed_of(
    dataset: Dataset, column: str, *, seed: int, totals: Sequence[int], draws: int, balanced: bool = False
) -> tuple[Crossed, Tensor]:
    """The labelled samples of the whole `dataset` in the folds that its `column` names, and their rows in it, long.

    Parts that the data are split into do not matter. A class is judged where two folds have it, so that it can be
    learnt whichever is left out. Raises `DataError` where there is no such column, where it cannot be left out in
    turn, or where a group lies in two folds.
    """
    grouping = dataset.groupings.get(column)
    if grouping is None:
        have = " and ".join(repr(name) for name in dataset.groupings) or "neither"
        raise DataError(
            f"{printable(dataset.name)} says of no sample which {column} it is of (of the columns 'fold' and 'group' "
            f"it has {have}): give a list with the columns path,label,{column}"
        )
    whole = dataset.everything()
    number, names = number_classes([printable(name) for name in grouping.names])
    codes = torch.where(grouping.codes >= 0, torch.from_numpy(number.astype(np.int64))[grouping.codes], -1)
    rows = _placed(dataset, codes, column)
    _refuse_shared_groups(dataset, codes, column)
    table = torch.zeros(len(names), len(dataset.classes), dtype=torch.long)
    table.index_put_((codes[rows], whole.labels[rows]), torch.ones(1, dtype=torch.long), accumulate=True)
    judged = (table > 0).sum(0) >= 2
    left_out = _left_out(dataset, judged, f"only one {column} has samples")
    renumbered = torch.where(judged, judged.cumsum(0) - 1, -1)
    rows = rows[judged[whole.labels[rows]]]
    samples, labels, folds = whole.select(rows), renumbered[whole.labels[rows]], codes[rows]
    used = [name for code, name in enumerate(names) if (folds == code).any()]
    if not 2 <= len(used) <= MOST_FOLDS:
        raise DataError(
            f"{printable(dataset.name)} has {len(used):,} {column}s with labels to leave out in turn, and every probe "
            f"is fitted once for each: from 2 to {MOST_FOLDS} can be had. Where there are more, give a column `fold` "
            "that puts several of them together"
        )
    _note_identical(dataset, rows, folds)
    sizes = ", ".join(f"{name} {int((folds == names.index(name)).sum()):,}" for name in used[:10])
    split = f"each of {len(used)} {column}s left out in turn: {sizes}{', ...' if used[10:] else ''}"
    protocol = {**_protocol(dataset, split, left_out, samples, labels, folds), "leave_out": column}
    shared: dict[str, Any] = {
        "classes": [name for name in dataset.classes if name not in left_out],
        "protocol": protocol,
        "seed": seed,
        "totals": totals,
        "draws": draws,
        "balanced": balanced,
    }
    return (
        Crossed(
            samples=samples,
            folds=[_fold(name, samples, labels, folds == names.index(name), folds, shared) for name in used],
            **shared,
        ),
        rows,
    )


def _fold(name: str, samples: Subset, labels: Tensor, tested: Tensor, folds: Tensor, shared: Mapping[str, Any]) -> Fold:
    train, test = (~tested).nonzero().flatten(), tested.nonzero().flatten()
    groups = folds if samples.groups is None else samples.groups
    learnt = samples.select(train)
    own = {**shared["protocol"], "labels_hash": f"{shared['protocol']['labels_hash']}, without {name}"}
    bench = Bench(
        train=learnt,
        train_labels=labels[train],
        train_units=learnt.units,
        test=samples.select(test),
        test_labels=labels[test],
        groups=groups[train],
        partial=True,
        **{**shared, "protocol": own},
    )
    return Fold(name, bench, train, test)


def _placed(dataset: Dataset, codes: Tensor, column: str) -> Tensor:
    """Rows, long, of the samples with a label and a place, those without counted."""
    labels = dataset.labels
    if not (labels >= 0).any():
        raise DataError(f"no sample of {printable(dataset.name)} has a label: {_HOW}")
    without = int(((labels >= 0) & (codes < 0)).sum())
    if without:
        say(f"note: {without:,} samples with a label but without a {column} are left out")
    return ((labels >= 0) & (codes >= 0)).nonzero().flatten()


def _refuse_shared_groups(dataset: Dataset, folds: Tensor, column: str) -> None:
    grouping = dataset.groupings.get("group")
    if grouping is None or column == "group":
        return
    placed = (grouping.codes >= 0) & (folds >= 0)
    pairs = torch.unique(torch.stack([grouping.codes[placed], folds[placed]]), dim=1)
    shared = pairs[0, 1:][pairs[0].diff() == 0].unique().tolist()
    if shared:
        named = ", ".join(repr(printable(grouping.names[group])) for group in shared[:5])
        raise DataError(
            f"{printable(dataset.name)}: {len(shared):,} groups have samples in more than one fold ({named}"
            f"{', ...' if shared[5:] else ''}): what is learnt of them would be tested on them. Give every group one "
            "fold, or leave out groups in turn with --leave-out group"
        )


def _note_identical(dataset: Dataset, rows: Tensor, folds: Tensor) -> None:
    """Say where identical samples stand in two folds: published sets have them, so they are not refused."""
    _, same = np.unique(dataset.tokens[rows.numpy()], return_inverse=True)
    pairs = np.unique(np.stack([same, folds.numpy()]), axis=1)
    across = int((np.diff(pairs[0]) == 0).sum())
    if across:
        say(f"note: {across:,} samples stand in two folds with identical contents: figures on them flatter")


def _left_out(dataset: Dataset, judged: Tensor, why: str) -> list[str]:
    """The classes that are not `judged` (boolean `[C]`), which are named."""
    left_out = [dataset.classes[code] for code in (~judged).nonzero().flatten().tolist()]
    if left_out:
        shown = ", ".join(map(repr, left_out[:5])) + (", ..." if left_out[5:] else "")
        say(f"note: {why} of {shown}: left out, so nothing is known about it")
    return left_out


def _protocol(dataset: Dataset, split: str, left_out: Sequence[str], *known: Subset | Tensor) -> dict[str, Any]:
    """What holds for all rows; equal for equal samples, parts and labels alone."""
    digest = hashlib.sha256()
    for each in known:
        numbers = each.source_rows if isinstance(each, Subset) else each.numpy()
        digest.update(f"{len(numbers)}:".encode() + numbers.tobytes())
    told = {"data": dataset.name, "content_hash": dataset.content_hash, "split": split}
    told["labels_hash"] = digest.hexdigest()[:16]
    return {**told, "classes_left_out": left_out} if left_out else told


def _labelled(dataset: Dataset, part: str) -> Subset:
    subset = dataset.part(part)
    rows = (subset.labels >= 0).nonzero().flatten()
    if len(rows) == 0:
        kind = dataset.annotations.kind if dataset.annotations else None
        drawn = f"; its {kind} judge --task {DRAWN[kind]}" if kind else ""
        drawn = "; what episodes know of their state judges --task state" if dataset.modality.moments else drawn
        raise DataError(
            f"no sample of the {part} part of {dataset.name} has a label, and judging an encoder needs some: "
            f"{_HOW}{drawn}"
        )
    return subset if len(rows) == len(subset) else subset.select(rows)


def _of_classes(samples: Subset, number: Tensor) -> tuple[Subset, Tensor]:
    """The samples whose class has a number, and these numbers, long; `number`: class -> its number, or -1."""
    labels = number[samples.labels]
    rows = (labels >= 0).nonzero().flatten()
    return (samples, labels) if len(rows) == len(labels) else (samples.select(rows), labels[rows])
