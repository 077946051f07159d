"""Archives read in place: an uncompressed .tar, or a .zip; nothing is unpacked to disk."""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tacit import interrupt
from tacit.core import Raw
from tacit.data.folder import organise
from tacit.data.listing import MAX_BYTES, NamesBuilder, Source, fingerprint, hidden, stamp, suffix, too_large
from tacit.errors import DataError, Unreadable

MAX_RATIO = 200
"""How much larger than its compressed form a large member may be."""
RATIO_MATTERS = 16 * 2**20  # an empty scan shrinks a thousandfold and is harmless
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")

Member = tuple[str, tuple[int, ...], str | None]
"""Name, the numbers that locate the contents, and why it is not read (None: it is)."""


def open_tar(path: Path, suffixes: frozenset[str]) -> Source:
    """The members of an uncompressed tar, in the order of their names' bytes. Raises `DataError`."""
    if is_compressed(path):
        raise DataError(
            f"{path} is compressed, so its members cannot be read in place: store it as an uncompressed .tar"
        )
    try:
        return _collect(path, suffixes, tar_members(path), 2, lambda located: read_tar(path, *located))
    except tarfile.TarError as error:
        raise DataError(f"{path} is no readable tar archive ({error}): pack it again") from None


def open_zip(path: Path, suffixes: frozenset[str]) -> Source:
    """The members of a zip, stored or deflated, in the order of their names' bytes. Raises `DataError`."""
    try:
        return _collect(path, suffixes, _zip_members(path), 5, lambda located: _read_zip(path, located))
    except (zipfile.BadZipFile, NotImplementedError, UnicodeError, EOFError) as error:
        raise DataError(f"{path} is no readable zip archive ({error}): pack or copy it again") from None


def is_compressed(path: Path) -> bool:
    """Whether a tar is compressed as a whole. Raises `OSError`."""
    with path.open("rb") as file:
        return file.read(6).startswith(_COMPRESSED)


def _collect(
    path: Path,
    suffixes: frozenset[str],
    members: Iterator[Member],
    numbers: int,
    read: Callable[[list[int]], Raw],
) -> Source:
    builder = NamesBuilder(numbers + 1)
    reasons: list[str] = []
    others: Counter[str] = Counter()
    for name, located, reason in members:
        interrupt.check()
        encoded = os.fsencode(name)
        reason = reason or unsafe(name)
        if reason is None and hidden(encoded):
            continue
        if suffix(encoded) not in suffixes:
            others[suffix(encoded)] += 1
            continue
        builder.add(encoded, *located, -1 if reason is None else len(reasons))
        reasons += [] if reason is None else [reason]
    names, columns = builder.finish()
    names, order = names.sorted()
    located_rows = np.stack([column[order] for column in columns[:-1]], axis=1)
    reason_rows = columns[-1][order]
    refused = {int(row): reasons[reason_rows[row]] for row in np.flatnonzero(reason_rows >= 0)}
    labels, classes, splits = organise(names, refused)
    return Source(
        title=str(path),
        names=names,
        read=lambda row: read(located_rows[row].tolist()),
        fingerprint=fingerprint("archive", names, located_rows, np.array(stamp(path.stat()))),
        labels=labels,
        classes=classes,
        splits=splits,
        refused=refused,
        others=others,
    )


def unsafe(name: str) -> str | None:
    """Why a member with this name is not read, or None."""
    parts = name.replace("\\", "/").split("/")
    if parts[0] == "" or ":" in parts[0] or ".." in parts:
        return "its name leads out of the archive"
    return None


def tar_members(path: Path) -> Iterator[Member]:
    """The members of a tar in the order of the archive, located by offset and size. Raises `tarfile.TarError`."""
    with tarfile.open(path, "r:", errors="surrogateescape") as archive:
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # tarfile keeps every header it has seen, a kilobyte each
            if member.isdir():
                continue
            reason = None
            if member.issym() or member.islnk():
                reason = "a link to another member: store the file itself (tar --dereference --hard-dereference)"
            elif not member.isreg() or member.sparse is not None:
                reason = "not an ordinary file"
            elif member.size > MAX_BYTES:
                reason = too_large(member.size)
            yield member.name.removeprefix("./"), (member.offset_data, member.size), reason


def read_tar(path: Path, offset: int, size: int) -> bytes:
    """The contents of a member. Raises `Unreadable` or `OSError`."""
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(size)
    if len(data) != size:
        raise Unreadable("the archive ends inside it: it was cut off")
    return data


def _zip_members(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    for member in members:
        if member.is_dir():
            continue
        located = (member.header_offset, member.compress_size, member.file_size, member.CRC, member.compress_type)
        reason = None
        if member.flag_bits & 1:
            reason = "encrypted"
        elif stat.S_ISLNK(member.external_attr >> 16):
            reason = "a link to another member: store the file itself"
        elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            reason = f"compression method {member.compress_type}: only stored and deflated members are read"
        elif max(member.file_size, member.compress_size) > MAX_BYTES:
            reason = too_large(max(member.file_size, member.compress_size))
        elif member.file_size > max(RATIO_MATTERS, MAX_RATIO * member.compress_size):
            reason = f"it unpacks to more than {MAX_RATIO} times its size"
        yield member.filename, located, reason


def _read_zip(path: Path, located: list[int]) -> bytes:
    offset, packed_size, size, checksum, method = located
    with path.open("rb") as file:
        file.seek(offset)
        head = file.read(30)
        if len(head) < 30 or head[:4] != b"PK\3\4":
            raise Unreadable("damaged archive: its header is missing")
        file.seek(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"), os.SEEK_CUR)
        data = file.read(packed_size)
    if method == zipfile.ZIP_DEFLATED:
        try:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, size + 1)
        except zlib.error:
            raise Unreadable("damaged archive: it does not decompress") from None
    if len(data) != size or zlib.crc32(data) != checksum:
        raise Unreadable("damaged archive: wrong length or checksum")
    return data
