"""Records: samples that stand in the lines and cells of files, as texts do, beside their labels."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tacit import interrupt
from tacit.data.annotation import Annotations
from tacit.data.lines import ENDINGS, Record, columns, ending, reader
from tacit.data.listed import Listing, remembered
from tacit.data.listing import NamesBuilder, Source, fingerprint, printable, stamp
from tacit.data.shards import below, parts
from tacit.data.table import EXTRA_COLUMNS, Codes, grouped, labels_of, splits_of
from tacit.data.tagged import annotations_of
from tacit.errors import DataError, Unreadable

TARGET = "target"
"""The column of what a sample is to be turned into, such as its translation."""


def open_records(
    title: str,
    paths: Sequence[Path],
    column: str,
    label_of: Callable[[Path], str] | None = None,
    cache_dir: Path | None = None,
) -> Source:
    """The records of `paths`, one file after the other, read in rising order and never as a whole.

    Lines of .jsonl, .txt and their .gz, rows of .csv, .tsv and .parquet: `column` holds the sample, and if present
    `label`, `split`, `group`, `fold`, `id` and `target` are what they say. Sentences of .conll and its kin, and
    `tokens` with `tags` in place of `column`, bring tags of their words. Files named `train...`, `val...`, `test...`
    are parts; `label_of` gives a file's label where it is the same for all of its records. A line that cannot be read
    is a sample that cannot be. What large files hold is remembered in `cache_dir`. Raises `DataError` where a file
    lacks the column or cannot be opened.
    """
    told = parts([str(path) for path in paths])
    fixed = [label_of(path) for path in paths] if label_of else None
    marks = np.array([stamp(path.stat()) for path in paths], np.int64)
    facts = [column, fixed, [str(path.absolute()) for path in paths], marks.tolist()]
    listing = remembered(facts, int(marks[:, 0].sum()), lambda: _listing(paths, column, fixed), cache_dir)
    names, (file, label, split, group, fold, tags, refused) = listing.names, listing.numbers
    if len(names) == 0:
        raise DataError(f"{printable(title)} has no records: there is nothing to read")
    codes = {extra: Codes(texts) for extra, texts in zip(EXTRA_COLUMNS, listing.texts, strict=False)}
    labels, classes = labels_of(label, codes["label"])
    groups, group_names = grouped(group, codes["group"])
    folds, fold_names = grouped(fold, codes["fold"])
    splits = splits_of(title, split, codes["split"])
    places = np.searchsorted(file, np.arange(len(paths)))
    return Source(
        title=title,
        names=names,
        read=_Reader(paths, column, places).read,
        fingerprint=fingerprint(f"records {column}", names, marks.ravel()),
        labels=labels,
        classes=classes,
        splits=told[file].astype(np.int8) if splits is None and told is not None else splits,
        groups=groups,
        group_names=group_names,
        folds=folds,
        fold_names=fold_names,
        refused={int(row): listing.texts[-1][refused[row]] for row in np.flatnonzero(refused >= 0)},
        annotations=annotations_of(tags, listing.texts[-2]) or _targets(paths, column, places, len(names)),
        in_order=True,
    )


def _targets(paths: Sequence[Path], column: str, starts: np.ndarray, count: int) -> Annotations | None:
    """The column of targets, where all files have one."""
    told = (ending(path) != ".txt" and TARGET in columns(path, TARGET) for path in paths)
    if column == TARGET or not all(told):
        return None
    return Annotations("targets", (), _Reader(paths, TARGET, starts).read, np.ones(count, bool))


def _listing(paths: Sequence[Path], column: str, labels: Sequence[str] | None) -> Listing:
    """All records: the number of its file beside each, its label, split, group and tags, and why it is not read."""
    builder = NamesBuilder(3 + len(EXTRA_COLUMNS))
    codes, tags, reasons = {extra: Codes() for extra in EXTRA_COLUMNS}, Codes(), Codes()
    for number, path in enumerate(paths):
        fixed = {"label": labels[number]} if labels else {}
        for record in reader(path, column)():
            interrupt.check()
            extras = {**record.extras, **fixed}
            coded = [codes[extra].of(extras.get(extra, "")) for extra in EXTRA_COLUMNS]
            coded += [tags.of(" ".join(record.tags)), reasons.of(record.reason)]
            name = record.name or (f"{path.name}:{record.place}" if len(paths) > 1 else f"{record.place}")
            builder.add(os.fsencode(printable(name)), number, *coded)
    names, numbers = builder.finish()
    return Listing(names, numbers, [list(each.known) for each in (*codes.values(), tags, reasons)])


def recorded(path: Path) -> list[Path]:
    """The files of records at `path`: itself, or all of the first kind below a folder. There a .txt is one sample."""
    if not path.is_dir():
        return [path] if ending(path) else []
    found = [each for last in (*ENDINGS, ".gz") for each in below(path, last)]
    kinds = [ending(each) for each in found]
    first = next((kind for kind in kinds if kind not in ("", ".txt")), None)
    return sorted(each for each, kind in zip(found, kinds, strict=True) if kind == first)


class _Reader:
    """Rows in rising order are one pass over the files; a row that lies behind begins its file anew."""

    def __init__(self, paths: Sequence[Path], column: str, starts: np.ndarray) -> None:
        self._paths, self._column, self._starts = paths, column, starts
        self._lock = threading.Lock()
        self._file, self._next = -1, 0
        self._records: Iterator[Record] = iter(())

    def read(self, row: int) -> bytes:
        """The sample in `row`. Raises `Unreadable`."""
        with self._lock:
            file = int(np.searchsorted(self._starts, row, side="right")) - 1
            if file != self._file or row < self._next:
                self._records = reader(self._paths[file], self._column)()
                self._file, self._next = file, int(self._starts[file])
            for record in self._records:
                self._next += 1
                if self._next == row + 1:
                    if record.reason:
                        raise Unreadable(record.reason)
                    return record.text.encode()
            self._file = -1
            raise Unreadable("the file has become shorter since it was listed")
