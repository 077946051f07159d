"""Frames of features that other programs have computed: numpy's, Sphinx's and HTK's files."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

from tacit.errors import Unreadable

Frames = npt.NDArray[np.float32]

SUFFIXES = frozenset({".mfc", ".htk", ".npy"})
_NUMPY = b"\x93NUMPY"
_COMPRESSED = 0o2000  # HTK's kinds of parameters: the bit that says that numbers are packed into two bytes


def frames(raw: bytes, bands: int) -> Frames:
    """The frames of features in the bytes of a file, float32 `[L, P]`.

    Read are arrays `[L, P]` of numpy, HTK's files (a head of 12 bytes that knows P), and Sphinx's (a head of 4 bytes
    that counts the numbers; of a frame there are `bands`). Raises `Unreadable`.
    """
    if not raw:
        raise Unreadable("an empty file")
    if raw.startswith(_NUMPY):
        return checked(_numpy(raw))
    for read in (_htk, _sphinx):
        found = read(raw, bands)
        if found is not None:
            return checked(found)
    raise Unreadable("neither numpy's, nor HTK's, nor Sphinx's head fits the length of the file")


def checked(found: npt.NDArray[np.generic]) -> Frames:
    """Frames `[L, P]` as float32. Raises `Unreadable` where they are none."""
    if found.ndim != 2 or 0 in found.shape or found.dtype.kind not in "fiu":
        raise Unreadable(f"an array of shape {found.shape} and type {found.dtype}, where frames x bands are expected")
    values = found.astype(np.float32)
    if not (np.abs(values) < np.finfo(np.float16).max).all():
        raise Unreadable("its frames hold NaN, or numbers beyond 65,504")
    return values


def _numpy(raw: bytes) -> npt.NDArray[np.generic]:
    try:
        loaded: npt.NDArray[np.generic] = np.load(io.BytesIO(raw), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise Unreadable(f"no array that can be read: {str(error).splitlines()[0]}") from None
    return loaded


def _htk(raw: bytes, _: int) -> Frames | None:
    """Frames by HTK's head: how many there are, their period, bytes of each, kind (the HTK Book, section 5.10.1)."""
    if len(raw) < 12:
        return None
    count = int.from_bytes(raw[:4], "big")
    size, kind = int.from_bytes(raw[8:10], "big"), int.from_bytes(raw[10:12], "big")
    if count == 0 or size == 0 or size % 4 or kind & _COMPRESSED or 12 + count * size != len(raw):
        return None
    return np.frombuffer(raw, ">f4", offset=12).reshape(count, size // 4).astype(np.float32)


def _sphinx(raw: bytes, bands: int) -> Frames | None:
    """Frames by Sphinx's head, in the byte order in which it fits."""
    for order, kind in (("big", ">f4"), ("little", "<f4")):
        count = int.from_bytes(raw[:4], "big" if order == "big" else "little")
        if count and 4 + 4 * count == len(raw):
            if count % bands:
                raise Unreadable(
                    f"{count:,} numbers, which are no frames of {bands}: --set modality.bands says of how many"
                )
            return np.frombuffer(raw, kind, offset=4).reshape(-1, bands).astype(np.float32)
    return None
