"""Opening DATA, whatever it is."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tacit.data import builtin, log
from tacit.data.archive import is_compressed, open_tar, open_zip
from tacit.data.arrays import open_npy, open_npz
from tacit.data.coco import open_coco
from tacit.data.folder import open_folder
from tacit.data.listing import NamesBuilder, Source, fingerprint, printable, read_file, stamp, suffix
from tacit.data.pairing import paired
from tacit.data.parquet import open_parquet
from tacit.data.records import open_records, recorded
from tacit.data.saved import is_saved, open_saved
from tacit.data.series import ENDING, is_list, open_series
from tacit.data.shards import below, expand
from tacit.data.table import open_table
from tacit.data.ts import open_ts
from tacit.data.voc import open_voc
from tacit.data.webdataset import is_webdataset, open_webdataset
from tacit.data.yolo import open_yolo
from tacit.errors import DataError, nearest

_PACKED_ARCHIVES = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".7z", ".rar")
_EXPECTED = (
    "DATA is a folder, a .tar or .zip of files, a .csv, .tsv or .txt list of paths, an .npy or .npz of arrays, a "
    ".parquet file or a folder of them, WebDataset shards (a folder, or such as 'train-{000..012}.tar'), a data set "
    "that Hugging Face saved to disk, a COCO .json, a folder laid out like Pascal VOC, COCO or YOLO, a single file, or "
    f"one of the built-in sets {', '.join(builtin.NAMES)}"
)


def open_source(
    data: str, suffixes: frozenset[str], cache_dir: Path | None = None, records: str | None = None
) -> Source:
    """The samples in DATA, unread.

    DATA is a folder (searched recursively; its sub-folders name classes, and splits where one is `train`), a .tar or
    .zip with the same inside, a .csv, .tsv or .txt list of paths, an .npy or .npz of arrays, a .parquet file or a
    folder of them (`DATA#COLUMN` where several columns hold samples), WebDataset shards (a folder of them, or
    `train-{000..012}.tar`), a data set that Hugging Face saved to disk, a COCO .json or a folder laid out like Pascal
    VOC, COCO or YOLO, which bring their boxes, one file, or the name of a built-in set; where `suffixes` say that
    samples are series, also .ts files (a folder of them, or one) and a table of many series; where they say that
    samples are users, a log (see `log.open_log`).
    `suffixes` are the file names' endings that are looked for; `cache_dir` is where built-in sets go; `records` names
    the column of samples where files hold those themselves (see `records.open_records`), or None.

    Raises:
        DataError: DATA is none of these, or cannot be opened.
    """
    if not data:
        raise DataError(f"DATA is empty. {_EXPECTED}")
    path = Path(data)
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if data in builtin.NAMES:
            return builtin.open_builtin(data, cache_dir)
        if "{" in data:
            return _open_shards(data, expand(data), suffixes)
        head, mark, column = data.rpartition("#")
        if mark and os.path.exists(head):  # noqa: PTH110 - a NUL is no error to it
            if records is not None and (paths := recorded(Path(head))):
                return open_records(data, paths, column, cache_dir=cache_dir)
            return _open_column(Path(head), column)
        raise _missing(data, error) from None
    if data in builtin.NAMES:
        note = f"{data} is the built-in set; for the file or folder of this name write .{os.sep}{data}"
        return builtin.open_builtin(data, cache_dir, note)
    try:
        if records is not None and (paths := recorded(path)):
            return open_records(data, paths, records, cache_dir=cache_dir)
        return _open_path(path, status, suffixes)
    except OSError as error:
        raise DataError(f"{printable(data)} cannot be read: {(error.strerror or str(error)).lower()}") from None


def _open_path(path: Path, status: os.stat_result, suffixes: frozenset[str]) -> Source:
    folder = stat.S_ISDIR(status.st_mode)
    if not folder and not stat.S_ISREG(status.st_mode):
        raise DataError(f"{printable(str(path))} is neither a folder nor an ordinary file. {_EXPECTED}")
    if log.ENDING in suffixes:
        return log.open_log(path)
    return _open_folder(path, suffixes) if folder else _open_file(path, status, suffixes)


def _open_folder(path: Path, suffixes: frozenset[str]) -> Source:
    """A folder of files, or where it holds nothing but shards, those."""
    if is_saved(path):
        return open_saved(str(path), path)
    if ENDING in suffixes and (series := open_series(path)) is not None:
        return series
    source = _open_annotated(path, suffixes) or paired(open_folder(path, suffixes), path)
    for ending in (".parquet", ".tar"):
        if len(source) == 0 and ending in source.others:
            return _open_shards(str(path), below(path, ending), suffixes)
    return source


def _open_shards(title: str, paths: Sequence[Path], suffixes: frozenset[str]) -> Source:
    """Shards of one kind, as their suffixes say."""
    endings = {suffix(path.name) for path in paths}
    if endings == {".parquet"}:
        return open_parquet(title, paths)
    if endings == {".tar"}:
        return open_webdataset(title, paths, suffixes)
    if endings == {ENDING} and ENDING in suffixes:
        return open_ts(title, paths)
    raise DataError(f"{printable(title)} stands for {' and '.join(sorted(endings))}; shards are .tar or .parquet")


def _open_column(path: Path, column: str) -> Source:
    """One column of several that hold samples: `DATA#COLUMN`."""
    if path.is_dir():
        if is_saved(path):
            return open_saved(str(path), path, column)
        shards = below(path, ".parquet")
    else:
        shards = [path] if suffix(path.name) == ".parquet" else []
    if not shards:
        raise DataError(f"{printable(str(path))} is no table, so it has no column {printable(column)!r}. {_EXPECTED}")
    return open_parquet(str(path), shards, column)


def _open_annotated(path: Path, suffixes: frozenset[str]) -> Source | None:
    """The samples of a folder that is laid out like one of the formats of boxes; None where it is not."""
    for opened in (open_voc, open_coco, open_yolo):
        source = opened(path, suffixes)
        if source is not None:
            return source
    return None


def _open_file(path: Path, status: os.stat_result, suffixes: frozenset[str]) -> Source:
    ending = suffix(path.name)
    if ENDING in suffixes and (series := open_series(path)) is not None:
        return series
    if ending in suffixes and ending != ".npy" and not is_list(path, suffixes):  # an .npy holds many samples
        return _open_single(path, status)
    if path.name.lower().endswith(_PACKED_ARCHIVES):
        raise DataError(
            f"{printable(str(path))} has to be unpacked to be read: store it as an uncompressed .tar, or .zip"
        )
    match ending:
        case ".tar":
            if not is_compressed(path) and is_webdataset(path, suffixes):
                return open_webdataset(str(path), [path], suffixes)
            return paired(open_tar(path, suffixes))
        case ".parquet":
            return open_parquet(str(path), [path])
        case ".zip":
            return paired(open_zip(path, suffixes))
        case ".csv" | ".tsv" | ".txt":
            return open_table(path, suffixes)
        case ".json":
            source = open_coco(path, suffixes)
            assert source is not None, "a file is a set or an error"
            return source
        case ".npy":
            return open_npy(path)
        case ".npz":
            return open_npz(path)
    raise DataError(
        f"{printable(str(path))}: {ending or 'a name without suffix'} is none of the formats that are read "
        f"({', '.join(sorted(suffixes))}). {_EXPECTED}"
    )


def _open_single(path: Path, status: os.stat_result) -> Source:
    builder = NamesBuilder(0)
    builder.add(os.fsencode(path.name))
    names, _ = builder.finish()
    marks = np.array(stamp(status))
    return Source(
        str(path), names, lambda _: read_file(path), fingerprint("file", names, marks), np.full(1, -1, np.int32)
    )


def _missing(data: str, error: OSError | ValueError) -> DataError:
    if isinstance(error, PermissionError):
        return DataError(f"{printable(data)} cannot be read: permission denied")
    hint = nearest(data, builtin.NAMES).partition("Valid")[0]
    return DataError(f"no file or folder {printable(data)!r}, and no built-in set of this name. {hint}{_EXPECTED}")
