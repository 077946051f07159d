"""Arrays: .npy with samples, or .npz with samples, labels, splits and groups. Nothing is unpickled."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tacit.data.listing import PARTS, SPLIT_NAMES, Ints, Names, NamesBuilder, Source, fingerprint, number_classes, stamp
from tacit.data.mapped import MappedRows
from tacit.errors import DataError, nearest

Array = npt.NDArray[Any]
Loaded = MappedRows | Array
_X, _Y = ("x", "images", "arr_0"), ("y", "labels")
_MAX_UNPACKED = 2 * 2**30


def open_npy(path: Path) -> Source:
    """The rows of an array `[N, ...]`, mapped into memory. Raises `DataError`."""
    with path.open("rb") as file:
        rows = _map(path, file, path.stat().st_size, str(path))
    return from_arrays(str(path), [rows], stamp(path.stat()))


def open_npz(path: Path) -> Source:
    """Samples under `x`, `images` or `arr_0`; or `x_train`, `x_test` and, if present, `x_val`.

    Beside them, one value a sample: `y` or `labels` (whole numbers, negative for none, or texts), `split` (train, val,
    test), `group`; with `x_train` the labels are `y_train` and so on; `classes` names the labels. Raises `DataError`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(f"{path} is no readable .npz ({error}): write it again with numpy.savez") from None

    def load(name: str) -> Loaded:
        return _load(path, members[name])

    parts = [part for part in PARTS if f"x_{part}" in members]
    if parts:
        chosen = [f"x_{part}" for part in parts]
        labels = [f"y_{part}" for part in parts]
        if not all(name in members for name in labels):
            labels = []
        split = np.repeat(
            np.array([PARTS.index(part) for part in parts], np.int8), [len(load(name)) for name in chosen]
        )
    else:
        chosen = [name for name in _X if name in members][:1]
        labels = [name for name in _Y if name in members][:1]
        split = None
    if not chosen:
        given = ", ".join(sorted(members)) or "nothing"
        raise DataError(
            f"{path} holds {given}; the samples are looked for under {', '.join(_X)}, or x_train and x_test"
        )
    one = {name: values(load(name)) for name in ("split", "group", "classes") if name in members}
    return from_arrays(
        str(path),
        [load(name) for name in chosen],
        stamp(path.stat()),
        labels=np.concatenate([values(load(name)) for name in labels]) if labels else None,
        classes=one.get("classes"),
        splits=_split_codes(path, one["split"]) if "split" in one and split is None else split,
        groups=one.get("group"),
    )


def values(loaded: Loaded) -> Array:
    """One value a sample, `[N]`, in memory."""
    array = loaded.take(np.arange(len(loaded))) if isinstance(loaded, MappedRows) else loaded
    return array.reshape(len(array), -1)[:, 0] if array.ndim > 1 and array[0].size == 1 else array


def from_arrays(
    title: str,
    blocks: Sequence[Loaded],
    marks: tuple[int, ...],
    *,
    labels: Array | None = None,
    classes: Array | None = None,
    splits: npt.NDArray[np.int8] | None = None,
    groups: Array | None = None,
) -> Source:
    """A source from arrays `[N, ...]` that follow each other. `marks` are numbers that change with the contents."""
    for block in blocks:
        if len(block.shape) < 2 or len(block) == 0:
            raise DataError(f"{title}: an array of shape {list(block.shape)}; expected samples along the first axis")
    starts = np.cumsum([0, *(len(block) for block in blocks)])
    total = int(starts[-1])
    for name, given in (("labels", labels), ("split", splits), ("group", groups)):
        if given is not None and given.shape != (total,):
            raise DataError(f"{title}: {total:,} samples, but {name} of shape {list(given.shape)}: give one a sample")
    names = _numbered(total)
    numbers, class_names = (
        (np.full(total, -1, np.int32), ()) if labels is None else _label_codes(title, labels, classes)
    )
    group_codes, group_names = (None, None) if groups is None else _group_codes(groups)
    return Source(
        title=title,
        names=names,
        read=_reader(blocks, starts),
        fingerprint=fingerprint("arrays", names, np.array(marks)),
        labels=numbers,
        classes=class_names,
        splits=splits,
        groups=group_codes,
        group_names=group_names,
    )


def _reader(blocks: Sequence[Loaded], starts: npt.NDArray[np.int64]) -> Callable[[int], Array]:
    def read(row: int) -> Array:
        block = int(np.searchsorted(starts, row, side="right")) - 1
        held = blocks[block]
        inner = row - int(starts[block])
        return held.take(np.array([inner]))[0] if isinstance(held, MappedRows) else np.asarray(held[inner])

    return read


def _numbered(count: int) -> Names:
    """Names for samples that have none: their rows."""
    builder = NamesBuilder(0)
    for row in range(count):
        builder.add(b"%d" % row)
    return builder.finish()[0]


def _load(path: Path, info: zipfile.ZipInfo) -> Loaded:
    """A member of an .npz: mapped where it is stored as it is, else unpacked into memory."""
    title = f"{info.filename} in {path}"
    if info.compress_type == zipfile.ZIP_STORED:
        with path.open("rb") as file:
            file.seek(info.header_offset + 26)
            lengths = file.read(4)
            file.seek(int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little"), os.SEEK_CUR)
            return _map(path, file, file.tell() + info.file_size, title)
    if info.file_size > _MAX_UNPACKED:
        size = info.file_size / 2**30
        raise DataError(f"{title} unpacks to {size:.1f} GiB in memory: store it uncompressed, with numpy.savez")
    try:
        with zipfile.ZipFile(path) as archive, archive.open(info) as file:
            return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
    except (ValueError, EOFError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{title} cannot be read: {error}") from None


def _map(path: Path, file: Any, end: int, title: str) -> Loaded:
    """The array whose .npy header begins at the file's position and whose values must end by `end`."""
    try:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"format version {version}")
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = header(file)
    except (ValueError, EOFError) as error:
        raise DataError(f"{title} is no readable NumPy array: {error}") from None
    if dtype.hasobject:
        raise DataError(f"{title} holds Python objects, which would have to be unpickled: store plain numbers")
    count = int(np.prod(shape, dtype=np.float64))
    if file.tell() + count * dtype.itemsize > end:
        raise DataError(f"{title} is cut off: its header promises an array of shape {list(shape)}")
    if count == 0:
        return np.empty(shape, dtype)
    return MappedRows(path, dtype, shape, file.tell(), "F" if fortran else "C")


def _label_codes(title: str, labels: Array, classes: Array | None) -> tuple[Ints, tuple[str, ...]]:
    if labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels == np.rint(labels)).all():
        labels = labels.astype(np.int64)
    elif labels.dtype.kind == "f":  # numbers to be regressed on; NaN is none
        labels = np.where(np.isnan(labels), "", labels.astype(np.str_))
    if labels.dtype.kind in "US":
        distinct, inverse = np.unique(labels, return_inverse=True)
        texts = [os.fsdecode(text) if isinstance(text, bytes) else str(text) for text in distinct.tolist()]
        order, names = number_classes([text or None for text in texts])
        return order[inverse], names
    if labels.dtype.kind not in "iub":
        raise DataError(f"{title}: labels of type {labels.dtype}; give whole numbers or texts")
    distinct, inverse = np.unique(labels.astype(np.int64), return_inverse=True)
    if classes is None:
        codes, names = number_classes([None if number < 0 else str(number) for number in distinct.tolist()])
        return codes[inverse], names
    if distinct[-1] >= len(classes):
        raise DataError(f"{title}: label {distinct[-1]}, but only {len(classes)} classes are named")
    return np.maximum(labels, -1).astype(np.int32), tuple(str(name) for name in classes.tolist())


def _split_codes(path: Path, splits: Array) -> npt.NDArray[np.int8]:
    distinct, inverse = np.unique(splits, return_inverse=True)
    codes = []
    for value in distinct.tolist():
        name = (os.fsdecode(value) if isinstance(value, bytes) else str(value)).strip().lower()
        if name and name not in SPLIT_NAMES:
            raise DataError(f"{path}: no split is called {name!r}; {nearest(name, PARTS)}")
        codes.append(SPLIT_NAMES.get(name, -1))
    return np.array(codes, np.int8)[inverse]


def _group_codes(groups: Array) -> tuple[Ints, Names]:
    distinct, inverse = np.unique(groups, return_inverse=True)
    builder = NamesBuilder(0)
    for value in distinct.tolist():
        builder.add(value if isinstance(value, bytes) else os.fsencode(str(value)))
    return inverse.astype(np.int32), builder.finish()[0]
