"""Shards of a table as one source: names, labels, splits, groups and folds are read at once, samples when asked for."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tacit import interrupt
from tacit.core import Raw
from tacit.data.columns import Columns, is_struct
from tacit.data.listing import MAX_BYTES, NO_PART, Ints, NamesBuilder, Source, fingerprint, printable, too_large
from tacit.data.shards import broken_note
from tacit.data.table import EXTRA_COLUMNS, Codes, grouped, labels_of, splits_of
from tacit.errors import DataError, Unreadable


class Shard(ABC):
    """Some rows of a table, in a file."""

    title: str
    rows: int
    marks: tuple[int, ...]
    """Numbers that change with the contents."""

    @abstractmethod
    def light(self, columns: Columns) -> Iterator[Any]:
        """Record batches with at least `columns.light`, in order. Raises `Unreadable`."""

    @abstractmethod
    def cell(self, row: int) -> Any:
        """The Arrow scalar in the column of samples. Raises `Unreadable`. Safe to call from several threads."""


def assemble(
    title: str,
    kind: str,
    shards: Sequence[Shard],
    columns: Columns,
    *,
    parts: npt.NDArray[np.int8] | None,
    broken: Mapping[str, str],
    in_order: bool,
) -> Source:
    """The rows of `shards`, one after the other, as a source; `parts` are the shards' own, `[len(shards)]`.

    Each of the `broken` shards (name -> reason) stands behind all others as one sample that cannot be read, so that it
    is listed; one whose labels or names are damaged joins them. Raises `DataError` where labels or splits are no such
    thing, or where there is no row.
    """
    builder = NamesBuilder(1 + len(EXTRA_COLUMNS))
    codes = {extra: Codes() for extra in EXTRA_COLUMNS}
    good: list[Shard] = []
    lost = dict(broken)
    for number, shard in enumerate(shards):
        try:
            batches = list(shard.light(columns)) if columns.light else []
        except Unreadable as error:
            lost[printable(shard.title)] = str(error)
            continue
        _add(builder, codes, shard, batches, columns, NO_PART if parts is None else int(parts[number]))
        good.append(shard)
    if len(builder) + len(lost) == 0:
        raise DataError(f"{title} has no rows: there is nothing to read")
    refused = {len(builder) + at: reason for at, reason in enumerate(lost.values())}
    for name in lost:
        builder.add(os.fsencode(name), NO_PART, *(-1 for _ in EXTRA_COLUMNS))
    names, (part, label, split, group, fold) = builder.finish()
    labels, classes = _labels(title, label, codes["label"], columns.classes)
    groups, group_names = grouped(group, codes["group"])
    folds, fold_names = grouped(fold, codes["fold"])
    splits = splits_of(title, split, codes["split"])
    starts = np.cumsum([0, *(shard.rows for shard in good)])
    marks = np.array([shard.marks for shard in good], np.int64).ravel()
    return Source(
        title=title,
        names=names,
        read=lambda row: _read(good, starts, row),
        fingerprint=fingerprint(f"{kind} {columns.heavy}", names, marks),
        labels=labels,
        classes=classes,
        splits=part.astype(np.int8) if splits is None and parts is not None else splits,
        groups=groups,
        group_names=group_names,
        folds=folds,
        fold_names=fold_names,
        refused=refused,
        notes=(*columns.notes, *broken_note(lost, len(good) + len(lost))),
        in_order=in_order,
    )


def _add(
    builder: NamesBuilder, codes: Mapping[str, Codes], shard: Shard, batches: Sequence[Any], columns: Columns, part: int
) -> None:
    """The names and the numbers of a shard's rows."""
    done = 0
    for batch in batches:
        interrupt.check()
        nothing = [-1] * batch.num_rows
        names = _texts(batch.column(columns.named_by)) if columns.named_by else [""] * batch.num_rows
        given = [
            _numbers(shard.title, batch.column(columns.extras[extra]), codes[extra])
            if extra in columns.extras
            else nothing
            for extra in EXTRA_COLUMNS
        ]
        for name, *numbers in zip(names, *given, strict=True):
            builder.add(os.fsencode(name) if name else b"%d" % len(builder), part, *numbers)
        done += batch.num_rows
    for _ in range(done, shard.rows):  # a table of nothing but samples has no light columns
        builder.add(b"%d" % len(builder), part, *(-1 for _ in EXTRA_COLUMNS))


def _texts(column: Any) -> list[str]:
    """Texts, empty where there is none; of structs their member `path`."""
    import pyarrow.types as types

    if types.is_struct(column.type):
        if column.type.get_field_index("path") < 0:
            return [""] * len(column)
        column = column.flatten()[column.type.get_field_index("path")]
    return [str(value) if value is not None else "" for value in column.to_pylist()]


def _numbers(title: str, column: Any, codes: Codes) -> list[int]:
    """A number for each value of a column, through `codes`; -1 for none."""
    import pyarrow.types as types

    if types.is_nested(column.type):
        raise DataError(f"{title}: labels, splits and groups are one number or text a sample, given {column.type}")
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    encoded = column.dictionary_encode()
    known = np.array([*(codes.of(_plain(title, value)) for value in encoded.dictionary.to_pylist()), -1])
    return [int(number) for number in known[encoded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)]]


def _plain(title: str, value: Any) -> str:
    """A label, split or group as text; empty for none. Raises `DataError`."""
    match value:
        case None:
            return ""
        case bool() | int():
            return str(int(value))
        case float():
            if value != value:
                return ""
            if value.is_integer():
                return str(int(value))
            raise DataError(f"{title}: {value} is no label: give whole numbers or texts")
        case bytes():
            return os.fsdecode(value)
    return str(value).strip()


def _labels(
    title: str, numbers: npt.NDArray[np.int64], codes: Codes, classes: tuple[str, ...] | None
) -> tuple[Ints, tuple[str, ...]]:
    """Numbers by first appearance -> numbers in the order of the classes; negative labels mean none."""
    whole = all(text.removeprefix("-").isdecimal() for text in codes.known)
    if classes is None or not whole:
        return _without_negative(numbers, codes) if whole else labels_of(numbers, codes)
    values = np.array([*map(int, codes.known), -1])
    if values.max() >= len(classes):
        raise DataError(f"{title}: label {values.max()}, but only {len(classes)} classes are named")
    return np.maximum(values, -1).astype(np.int32)[numbers], classes


def _without_negative(numbers: npt.NDArray[np.int64], codes: Codes) -> tuple[Ints, tuple[str, ...]]:
    kept = Codes()
    moved = np.array([*(kept.of("" if text.startswith("-") else text) for text in codes.known), -1])
    return labels_of(moved[numbers], kept)


def _read(shards: Sequence[Shard], starts: npt.NDArray[np.int64], row: int) -> Raw:
    number = int(np.searchsorted(starts, row, side="right")) - 1
    cell = shards[number].cell(row - int(starts[number]))
    if cell.is_valid and is_struct(cell.type):
        cell = cell["bytes"]
    if not cell.is_valid:
        raise Unreadable("the table holds no bytes for it; paths alone are not followed")
    buffer = cell.as_buffer()
    if buffer.size > MAX_BYTES:
        raise Unreadable(too_large(buffer.size))
    return bytes(buffer)
