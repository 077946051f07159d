"""Episodes as they lie in files: what was observed, what was done, and what is known of the state beside."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tacit.core import Raw
from tacit.errors import Unreadable

SUFFIXES = frozenset({".npz"})
OBSERVATIONS, ACTIONS, REWARDS = "observations", "actions", "rewards"
ENDS = ("terminated", "truncated")
MOST_BYTES = 2**31
"""What the arrays of one episode may take in memory."""
MOST_COLUMNS = 1024
"""Columns of one array of states at most."""
MAX_CHANNELS = 64
_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Episode:
    """One episode of n observations, n being T or T + 1 for T steps."""

    observations: Array
    """Frames uint8 `[n, C, H, W]`, or vectors float32 `[n, D]`."""
    actions: Array | None
    """Choices, long `[T]`, or numbers, float32 `[T, A]`; None where the file says nothing of them."""
    rewards: Array | None
    """Float32 `[T]`."""

    @property
    def frames(self) -> bool:
        """Whether observations are frames, not vectors."""
        return self.observations.ndim == 4


def decode(raw: Raw) -> Episode:
    """The episode in the bytes of an `.npz`, or in an array of observations `[n, ...]` alone. Raises `Unreadable`.

    Observations are frames `[n, H, W]` or `[n, H, W, C]` of uint8, or vectors `[n, D]` or `[n]` of numbers.
    """
    if isinstance(raw, np.ndarray):
        return Episode(_observations(raw), None, None)
    with _opened(raw) as archive:
        members = _members(archive)
        if OBSERVATIONS not in members:
            given = ", ".join(sorted(members)) or "nothing"
            raise Unreadable(f"no array called {OBSERVATIONS}; it holds {given}")
        observations = _observations(_load(archive, members[OBSERVATIONS]))
        actions = _actions(_load(archive, members[ACTIONS])) if ACTIONS in members else None
        rewards = _load(archive, members[REWARDS]) if REWARDS in members else None
        lengths = {ACTIONS: len(actions)} if actions is not None else {}
        if rewards is not None:
            if rewards.ndim != 1 or rewards.dtype.kind not in "fiub":
                raise Unreadable(f"{REWARDS} of shape {list(rewards.shape)} and type {rewards.dtype}; expected [T]")
            lengths[REWARDS] = len(rewards)
            rewards = rewards.astype(np.float32)
        for name in ENDS:
            shape = _shape(archive, members[name]) if name in members else ()
            lengths |= {name: shape[0]} if shape else {}
    _one_length(lengths, len(observations))
    return Episode(observations, actions, rewards)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of an episode of T steps."""

    steps: int
    """T."""
    rewards: npt.NDArray[np.float32] | None
    """`[T]`; None where the file says nothing of them."""
    terminated: npt.NDArray[np.bool_] | None
    """`[T]`, whether the episode came to its end there, rather than being cut off; None where that is not said."""


def outcome(raw: bytes) -> Outcome:
    """What came of the episode in the bytes of an `.npz`. Raises `Unreadable`."""
    rewards = decode(raw).rewards
    with _opened(raw) as archive:
        members = _members(archive)
        ended = _load(archive, members[ENDS[0]]) if ENDS[0] in members else None
        shapes = [_shape(archive, members[name]) for name in (REWARDS, ACTIONS, ENDS[0]) if name in members]
        steps = next((shape[0] for shape in shapes if shape), 0)
    if ended is None or ended.ndim == 0:  # one value for the whole says nothing of a step
        return Outcome(steps, rewards, None)
    if ended.ndim != 1 or ended.dtype.kind not in "iub":
        raise Unreadable(f"{ENDS[0]} of shape {list(ended.shape)} and type {ended.dtype}; expected truths [T]")
    return Outcome(steps, rewards, ended.astype(bool))


def states(raw: bytes, count: int) -> dict[str, Array]:
    """What is known of the state at each of the first `count` moments: name -> `[count]`, numbers or truths.

    Every further array `[T]` or `[T + 1]` is one, and every column of an array `[T, D]`, called `NAME.0` and so on.
    Arrays of other lengths and of texts say nothing of moments and are passed over. Raises `Unreadable`.
    """
    with _opened(raw) as archive:
        members = _members(archive)
        total = _shape(archive, members[OBSERVATIONS])[0]
        found: dict[str, Array] = {}
        for name in sorted(set(members) - {OBSERVATIONS, ACTIONS, REWARDS, *ENDS}):
            shape = _shape(archive, members[name])
            if not shape or shape[0] not in (total - 1, total) or shape[0] < count:
                continue
            columns = math.prod(shape[1:])
            if columns > MOST_COLUMNS:
                raise Unreadable(f"{name} has {columns:,} columns, more than the limit of {MOST_COLUMNS:,} a state")
            values = _load(archive, members[name])
            if values.dtype.kind not in "fiub":
                continue
            if values.ndim == 1:
                found[name] = values[:count]
            else:
                flat = values[:count].reshape(count, columns)
                found |= {f"{name}.{column}": flat[:, column] for column in range(columns)}
    return found


def is_episode(raw: Any) -> bool:
    """Whether a path, or a file, is an `.npz` that holds observations."""
    try:
        with zipfile.ZipFile(raw) as archive:
            return f"{OBSERVATIONS}.npy" in archive.namelist()
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return False


def _opened(raw: Raw) -> zipfile.ZipFile:
    if len(raw) == 0:
        raise Unreadable("an empty file")
    assert isinstance(raw, bytes)
    try:
        return zipfile.ZipFile(io.BytesIO(raw))
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise Unreadable(f"no .npz: {error}. Write it with numpy.savez_compressed") from None


def _members(archive: zipfile.ZipFile) -> Mapping[str, zipfile.ZipInfo]:
    infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    size = sum(info.file_size for info in infos)
    if size > MOST_BYTES:
        raise Unreadable(f"it unpacks to {size / 2**30:.1f} GiB, more than the limit of {MOST_BYTES // 2**30} GiB")
    return {info.filename.removesuffix(".npy"): info for info in infos}


def _header(file: Any, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version not in _READERS:
        raise Unreadable(f"{name} is of an unknown version of numpy's format")
    shape, _, dtype = _READERS[version](file)
    if dtype.hasobject:
        raise Unreadable(f"{name} holds Python objects, which would have to be unpickled: store plain numbers")
    return shape, dtype


def _shape(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[int, ...]:
    with _told(info), archive.open(info) as file:
        return _header(file, info.filename)[0]


def _load(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    with _told(info):
        with archive.open(info) as file:
            shape, dtype = _header(file, info.filename)
        if math.prod(shape) * dtype.itemsize > info.file_size:  # before the array is made
            raise Unreadable(f"{info.filename} is cut off: its header promises an array of shape {list(shape)}")
        with archive.open(info) as file:
            return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


class _told:  # noqa: N801 - used as a function is
    """What is raised on damaged members of an archive, as `Unreadable`."""

    def __init__(self, info: zipfile.ZipInfo) -> None:
        self.name = info.filename

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, Unreadable):
            said = " ".join(str(error).split())[:120] or type(error).__name__
            raise Unreadable(f"{self.name} is damaged: {said}") from None


def _observations(found: Array) -> Array:
    if len(found.shape) == 0 or 0 in found.shape:
        raise Unreadable(f"{OBSERVATIONS} of shape {list(found.shape)}: there is none")
    if found.ndim >= 3:
        return _frames(found)
    if found.dtype.kind not in "fiub":
        raise Unreadable(f"{OBSERVATIONS} of type {found.dtype}: vectors are numbers")
    vectors = found.reshape(len(found), -1).astype(np.float32)
    if not np.isfinite(vectors).all():
        raise Unreadable(f"{OBSERVATIONS} hold NaN or infinity")
    return vectors


def _frames(found: Array) -> Array:
    shape = list(found.shape)
    if found.ndim > 4 or found.dtype != np.uint8:
        raise Unreadable(
            f"{OBSERVATIONS} of shape {shape} and type {found.dtype}: frames are [n, H, W] or [n, H, W, C] of uint8, "
            "vectors [n, D]"
        )
    frames = found[..., None] if found.ndim == 3 else found
    if frames.shape[3] > MAX_CHANNELS or (frames.shape[1] <= 4 < frames.shape[3]):
        raise Unreadable(f"{OBSERVATIONS} of shape {shape}: channels come last, [n, H, W, C]")
    return frames.transpose(0, 3, 1, 2)


def _actions(found: Array) -> Array:
    if found.dtype.kind in "iub" and (found.ndim == 1 or (found.ndim == 2 and found.shape[1] == 1)):
        return found.reshape(-1).astype(np.int64)
    if found.dtype.kind not in "fiub" or found.ndim not in (1, 2):
        raise Unreadable(f"{ACTIONS} of shape {list(found.shape)} and type {found.dtype}; expected [T] or [T, A]")
    numbers = found.reshape(len(found), -1).astype(np.float32)
    if not np.isfinite(numbers).all():
        raise Unreadable(f"{ACTIONS} hold NaN or infinity")
    return numbers


def _one_length(lengths: Mapping[str, int], observed: int) -> None:
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{length:,} {name}" for name, length in lengths.items())
        raise Unreadable(f"{told}: give one of each a step")
    for name, length in lengths.items():
        if observed not in (length, length + 1):
            raise Unreadable(f"{observed:,} {OBSERVATIONS} and {length:,} {name}: give as many, or one more at the end")
