"""Opening DATA, whatever it is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np

from tacit.data import builtin
from tacit.data.archive import open_tar, open_zip
from tacit.data.arrays import open_npy, open_npz
from tacit.data.folder import open_folder
from tacit.data.listing import NamesBuilder, Source, fingerprint, printable, read_file, stamp, suffix
from tacit.data.table import open_table
from tacit.errors import DataError, nearest

_PACKED_ARCHIVES = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".7z", ".rar")
_EXPECTED = (
    "DATA is a folder, a .tar or .zip of files, a .csv, .tsv or .txt list of paths, an .npy or .npz of arrays, "
    f"a single file, or one of the built-in sets {', '.join(builtin.NAMES)}"
)


def open_source(data: str, suffixes: frozenset[str], cache_dir: Path | None = None) -> Source:
    """The samples in DATA, unread.

    DATA is a folder (searched recursively; its sub-folders name classes, and splits where one is `train`), a .tar or
    .zip with the same inside, a .csv, .tsv or .txt list of paths, an .npy or .npz of arrays, one file, or the name of a
    built-in set. `suffixes` are the file names' endings that are looked for; `cache_dir` is where built-in sets go.

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
        raise _missing(data, error) from None
    if data in builtin.NAMES:
        note = f"{data} is the built-in set; for the file or folder of this name write .{os.sep}{data}"
        return builtin.open_builtin(data, cache_dir, note)
    try:
        if stat.S_ISDIR(status.st_mode):
            return open_folder(path, suffixes)
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{printable(data)} is neither a folder nor an ordinary file. {_EXPECTED}")
        return _open_file(path, status, suffixes)
    except OSError as error:
        raise DataError(f"{printable(data)} cannot be read: {(error.strerror or str(error)).lower()}") from None


def _open_file(path: Path, status: os.stat_result, suffixes: frozenset[str]) -> Source:
    ending = suffix(path.name)
    if ending in suffixes:
        return _open_single(path, status)
    if path.name.lower().endswith(_PACKED_ARCHIVES):
        raise DataError(
            f"{printable(str(path))} has to be unpacked to be read: store it as an uncompressed .tar, or .zip"
        )
    match ending:
        case ".tar":
            return open_tar(path, suffixes)
        case ".zip":
            return open_zip(path, suffixes)
        case ".csv" | ".tsv" | ".txt":
            return open_table(path, suffixes)
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
