"""Records: samples that stand in the lines and cells of files, as texts do, beside their labels."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tacit import interrupt
from tacit.data.lines import READERS, Record, ending, reader
from tacit.data.listing import NO_PART, NamesBuilder, Source, fingerprint, printable, stamp
from tacit.data.shards import below, parts
from tacit.data.table import EXTRA_COLUMNS, Codes, group_names_of, labels_of, splits_of
from tacit.data.tagging import TagsBuilder
from tacit.errors import DataError, Unreadable


def open_records(
    title: str, paths: Sequence[Path], column: str, label_of: Callable[[Path], str] | None = None
) -> Source:
    """The records of `paths`, one file after the other, read in rising order and never as a whole.

    Lines of .jsonl, .txt and their .gz, rows of .csv, .tsv and .parquet: `column` holds the sample, and if present
    `label`, `split`, `group` and `id` are what they say. Sentences of .conll and its kin, and `tokens` with `tags` in
    place of `column`, bring tags of their words. Files named `train...`, `val...`, `test...` are parts;
    `label_of` gives a file's label where it is the same for all of its records. A line that cannot be read is a sample
    that cannot be. Raises `DataError` where a file lacks the column or cannot be opened.
    """
    told = parts([str(path) for path in paths])
    builder = NamesBuilder(2 + len(EXTRA_COLUMNS))
    codes, reasons = {extra: Codes() for extra in EXTRA_COLUMNS}, Codes()
    starts, tags = [], TagsBuilder()
    for number, path in enumerate(paths):
        starts.append(len(builder))
        part = NO_PART if told is None else int(told[number])
        fixed = {"label": label_of(path)} if label_of else {}
        for record in reader(path, column)():
            interrupt.check()
            extras = {**record.extras, **fixed}
            numbers = [codes[extra].of(extras.get(extra, "")) for extra in EXTRA_COLUMNS]
            name = record.name or (f"{path.name}:{record.place}" if len(paths) > 1 else f"{record.place}")
            builder.add(os.fsencode(printable(name)), part, *numbers, reasons.of(record.reason))
            tags.add(record.tags)
    if len(builder) == 0:
        raise DataError(f"{printable(title)} has no records: there is nothing to read")
    names, (part_of, label, split, group, refused) = builder.finish()
    labels, classes = labels_of(label, codes["label"])
    splits = splits_of(title, split, codes["split"])
    texts = list(reasons.known)
    marks = np.array([stamp(path.stat()) for path in paths], np.int64).ravel()
    return Source(
        title=title,
        names=names,
        read=_Reader(paths, column, np.array(starts)).read,
        fingerprint=fingerprint(f"records {column}", names, marks),
        labels=labels,
        classes=classes,
        splits=part_of.astype(np.int8) if splits is None and told is not None else splits,
        groups=group.astype(np.int32) if codes["group"].known else None,
        group_names=group_names_of(codes["group"]),
        refused={int(row): texts[refused[row]] for row in np.flatnonzero(refused >= 0)},
        annotations=tags.finish(),
        in_order=True,
    )


def recorded(path: Path) -> list[Path]:
    """The files of records at `path`: itself, or all of the first kind below a folder. There a .txt is one sample."""
    if not path.is_dir():
        return [path] if ending(path) else []
    found = [each for last in (*READERS, ".gz") for each in below(path, last)]
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
