"""WebDataset shards: tars in which `KEY.jpg`, `KEY.cls`, `KEY.json` and the like make one sample; read in place."""

from __future__ import annotations

import json
import os
import tarfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from tacit import interrupt
from tacit.data.archive import is_compressed, read_tar, tar_members, unsafe
from tacit.data.folder import organise
from tacit.data.listing import NamesBuilder, Source, fingerprint, hidden, printable, stamp, suffix
from tacit.data.shards import broken_note, none_readable, parts
from tacit.data.table import Codes, group_names_of, labels_of
from tacit.errors import Unreadable

LABELS = (".cls", ".json")
"""What says a sample's label: a file with nothing else in it, or the member `label` of an object."""
_PEEK = 64
_LONGEST = 64  # members of one key; names with a dot in front of a number are no keys
_MAX_LABEL = 2**20


def is_webdataset(path: Path, suffixes: frozenset[str]) -> bool:
    """Whether one of the first members of a tar is a label of its neighbour. Raises `OSError`."""
    seen: dict[str, set[str]] = {}
    try:
        for name, _, _ in islice(tar_members(path), _PEEK):
            key, ending = _split(name)
            seen.setdefault(key, set()).add(ending)
    except tarfile.TarError:
        return False
    return any(
        endings & set(LABELS) and any(suffix(f"key{end}") in suffixes for end in endings) for endings in seen.values()
    )


def open_webdataset(title: str, paths: Sequence[Path], suffixes: frozenset[str]) -> Source:
    """The samples of shards that follow each other, in the order of the archives.

    Neighbours of one key are one sample: `.cls`, or `label` in `.json`, is its label; where no sample has one, the
    last folder in its name is its class. Several pictures of one key are a group. Shards named `train...`, `val...`,
    `test...` are parts. A shard that cannot be read to its end is listed as one sample that cannot be.

    Raises:
        DataError: no shard can be read.
    """
    found = _Found(suffixes, several=len(paths) > 1)
    broken: dict[str, str] = {}
    for number, path in enumerate(paths):
        interrupt.check()
        reason = found.walk(number, path)
        if reason is not None:
            broken[printable(str(path))] = reason
    if broken and not len(found.builder):
        raise none_readable(title, broken)
    for name, reason in broken.items():
        found.add(_Member(name, 0, 0, reason), -1, -1, -1)
    told = parts([str(path) for path in paths])
    names, (shard, offset, size, why, label, group) = found.builder.finish()
    refused = {int(row): found.reasons[why[row]] for row in np.flatnonzero(why >= 0)}
    labels, classes, splits = organise(found.inner.finish()[0], refused)
    if found.labels.known:
        labels, classes = labels_of(label, found.labels)
    if told is not None:
        splits = np.where(shard >= 0, told[shard], np.int8(-1))
    stamps = [stamp(path.stat()) for path in paths]
    return Source(
        title=title,
        names=names,
        read=lambda row: read_tar(paths[shard[row]], int(offset[row]), int(size[row])),
        fingerprint=fingerprint("webdataset", names, shard, offset, size, np.array(stamps)),
        labels=labels,
        classes=classes,
        splits=splits,
        groups=group.astype(np.int32) if found.groups.known else None,
        group_names=group_names_of(found.groups),
        refused=refused,
        others=found.others,
        notes=(*found.notes(), *broken_note(broken, len(paths))),
    )


@dataclass(frozen=True)
class _Member:
    """A member of a tar that may be a sample."""

    name: str
    offset: int
    size: int
    reason: str | None
    """Why it is not read, or None."""


class _Found:
    """What was found in the shards so far."""

    def __init__(self, suffixes: frozenset[str], *, several: bool) -> None:
        self.suffixes, self.several = suffixes, several
        self.builder = NamesBuilder(6)
        self.inner = NamesBuilder(0) if several else self.builder
        """The names inside the shards, in which folders may name classes."""
        self.reasons: list[str] = []
        self.labels, self.groups = Codes(), Codes()
        self.others: Counter[str] = Counter()
        self._bad_labels: list[str] = []

    def walk(self, number: int, path: Path) -> str | None:
        """Go through a shard; returns why it cannot be read to its end, or None."""
        try:
            if is_compressed(path):
                return "it is compressed: store it as an uncompressed .tar"
            run: list[_Member] = []
            for name, (offset, size), reason in tar_members(path):
                interrupt.check()
                if run and (len(run) == _LONGEST or _split(name)[0] != _split(run[0].name)[0]):
                    self._sample(number, path, run)
                    run = []
                run.append(_Member(name, offset, size, reason or unsafe(name)))
            self._sample(number, path, run)
        except tarfile.TarError as error:
            return f"damaged tar: {error}"
        except OSError as error:
            return (error.strerror or str(error)).lower()
        return None

    def _sample(self, number: int, path: Path, run: Sequence[_Member]) -> None:
        """The neighbours of one key."""
        held = [m for m in run if m.reason is not None or not hidden(os.fsencode(m.name))]
        pictures = [member for member in held if suffix(member.name) in self.suffixes]
        sides = [member for member in held if pictures and _split(member.name)[1] in LABELS]
        for member in held:
            if member not in pictures and member not in sides:
                self.others[suffix(member.name)] += 1
        label = self._label(path, sides) if sides else ""
        key = f"{number}/{_split(run[0].name)[0]}" if len(pictures) > 1 and sides else ""
        for member in pictures:
            self.add(member, number, self.labels.of(label), self.groups.of(key), path)

    def add(self, member: _Member, number: int, label: int, group: int, path: Path | None = None) -> None:
        """One more sample."""
        prefix = f"{path.name}/" if self.several and path is not None else ""
        code = -1 if member.reason is None else len(self.reasons)
        self.reasons += [] if member.reason is None else [member.reason]
        name = os.fsencode(prefix + member.name)
        self.builder.add(name, number, member.offset, member.size, code, label, group)
        if self.several:
            self.inner.add(os.fsencode(member.name))

    def _label(self, path: Path, sides: Sequence[_Member]) -> str:
        """The label that the files beside a sample say, the first kind of `LABELS` first; empty for none."""
        for member in sorted(sides, key=lambda side: LABELS.index(_split(side.name)[1])):
            try:
                if member.reason is not None or member.size > _MAX_LABEL:
                    raise Unreadable(member.reason or "too large")
                text = read_tar(path, member.offset, member.size).decode()
                label = text.strip() if _split(member.name)[1] == ".cls" else _of_object(json.loads(text))
            except (Unreadable, OSError, ValueError, RecursionError) as error:
                self._bad_labels.append(f"{printable(member.name)} in {printable(str(path))}: {error}")
                continue
            if label:
                return label
        return ""

    def notes(self) -> list[str]:
        """What the user should know."""
        if not self._bad_labels:
            return []
        return [f"{len(self._bad_labels):,} labels beside samples cannot be read, such as {self._bad_labels[0]}"]


def _of_object(loaded: object) -> str:
    """`label` of a JSON object; empty where there is none. Raises `ValueError`."""
    label = loaded.get("label") if isinstance(loaded, dict) else None
    if label is None:
        return ""
    if not isinstance(label, str | int):
        raise ValueError(f"its label is no number or text, but {label!r:.40}")
    return str(int(label) if isinstance(label, bool) else label).strip()


def _split(name: str) -> tuple[str, str]:
    """(key, ending): up to the first dot of the last part of a member's name, and from there on in lower case."""
    folder, slash, last = name.rpartition("/")
    stem, dot, ending = last.partition(".")
    return f"{folder}{slash}{stem}", f"{dot}{ending}".lower()
