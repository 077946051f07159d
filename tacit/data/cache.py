"""The packed cache: every sample decoded once, to rows of one array on disk."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
import numpy.typing as npt
import platformdirs

from tacit import console
from tacit.atomic import sync_folder
from tacit.config import Config
from tacit.core import Layout, Modality, Raw
from tacit.data.decoding import Decoded, decoded, row_bytes
from tacit.data.files import cache_errors, hold, write_atomic
from tacit.data.listing import Longs, Names, Source, printable
from tacit.data.mapped import MappedRows
from tacit.errors import DataError, RunError, TacitError

FORMAT = 2
"""Part of every key: raised whenever a reader or the packing changes, so that no stale array is found."""
_BUFFER = 2**18  # bytes that are written at once: small rows would be a call of the system each
_DAMAGED = (OSError, ValueError, LookupError, TypeError)

Tokens = npt.NDArray[np.uint64]
Skipped = tuple[tuple[int, str], ...]
"""(row in the source, reason) of the samples that could not be read."""


@dataclass(frozen=True, eq=False)
class Packed:
    """The readable samples of a source as one array `[N, *shape]`."""

    folder: Path
    content_hash: str
    """SHA-256 over the SHA-256 of each packed sample's raw contents, in order."""
    rows: MappedRows
    tokens: Tokens
    """`[N]`, the first 8 bytes of each raw sample's SHA-256: equal for identical samples, and for identical pieces."""
    kept: Longs
    """`[N]`, each packed sample's row in the source, in rising order: more than once where it is in pieces."""
    skipped: Skipped
    parts: Names | None = None
    """`[N]`, where in its sample each row lies, as a URI's fragment (`#t=10,20`); empty for whole ones. None where no
    sample is in pieces."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def whole_tokens(self) -> Tokens:
        """`[N]`: equal for rows of one sample, and of identical ones."""
        return self.tokens if self.parts is None else self.tokens[np.searchsorted(self.kept, self.kept)]

    @property
    def several(self) -> npt.NDArray[np.bool_]:
        """`[N]`: which rows are pieces of a sample."""
        return np.diff(self.parts.ends, prepend=0) > 0 if self.parts else np.zeros(len(self), np.bool_)


def cache_folder(given: Path | None = None) -> Path:
    """Where packed sets live: as given, or `$TACIT_CACHE`, or the user's cache folder."""
    return given or Path(os.environ.get("TACIT_CACHE") or platformdirs.user_cache_dir("tacit"))


def survey(
    source: Source, modality: Modality, raws: Iterable[Raw], wanted: Config, cache_dir: Path | None = None
) -> Layout:
    """The layout that `modality` finds for the raw samples `raws`, remembered so that a second start reads nothing."""
    folder = cache_folder(cache_dir)
    beside = "".join(_sha256(path) for path in modality.beside(wanted))
    known = folder / f"{_key(source.fingerprint + beside, modality.name, wanted)}.layout.json"
    try:
        return modality.layout.parse(json.loads(known.read_bytes()))
    except (*_DAMAGED, TacitError):
        pass
    layout = modality.survey(raws, wanted)
    with cache_errors(folder, 2**10):
        folder.mkdir(parents=True, exist_ok=True)
        with hold(folder / "publish.lock", _PUBLISHING):
            write_atomic(known, layout.model_dump_json().encode())
    return layout


def _sha256(path: Path) -> str:
    """Of what the file holds; nothing where it cannot be read: whoever reads it says why."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def pack(
    source: Source, modality: Modality, layout: Layout, *, max_bad: float = 0.01, cache_dir: Path | None = None
) -> Packed:
    """The source's samples in `layout`, from the cache if they have been packed before.

    A pointer file leads from the listing's fingerprint to the packed array, which is keyed by content: a second start
    reads no sample, and a copy of a set shares its array. Samples that cannot be read are left out.

    Raises:
        DataError: more than the fraction `max_bad` of the samples cannot be read, or all of them.
        RunError: the cache cannot be written.
        Interrupted: a signal arrived; nothing is left behind.
    """
    folder = cache_folder(cache_dir)
    key = _key(source.fingerprint, modality.name, layout)
    pointer = folder / f"{key}.json"
    with cache_errors(folder, len(source) * row_bytes(layout)):
        packed = _find(pointer, source, layout)
        if packed is None:
            folder.mkdir(parents=True, exist_ok=True)
            with hold(folder / f"{key}.lock", f"another process is packing {printable(source.title)}: waiting for it"):
                packed = _find(pointer, source, layout) or _build(pointer, source, modality, layout)
        skipped = packed.skipped if packed else _pointed(pointer)[1]
        if packed is None or len(skipped) > max_bad * len(source):
            raise _too_many_bad(folder / f"{key}.skipped.tsv", source, modality.sources, skipped, max_bad)
    return packed


_PUBLISHING = "another process is writing to the cache: waiting for it"


def _key(identity: str, modality: str, settings: Config) -> str:
    text = json.dumps([FORMAT, identity, modality, settings.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _pointed(pointer: Path) -> tuple[str | None, Skipped]:
    """What a pointer file says: the packed folder's name (None: no sample was readable) and the skipped samples."""
    known = json.loads(pointer.read_bytes())
    return known["packed"], tuple((int(row), str(reason)) for row, reason in known["skipped"])


def _find(pointer: Path, source: Source, layout: Layout) -> Packed | None:
    """The packed set that a pointer file leads to; None where there is none or where it is damaged."""
    try:
        name, skipped = _pointed(pointer)
        return None if name is None else _open(pointer.parent / name, layout, len(source), skipped)
    except _DAMAGED:
        return None


def _open(folder: Path, layout: Layout, total: int, skipped: Skipped) -> Packed:
    """Raises one of `_DAMAGED` where the folder is not as its manifest says."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    count, shape, dtype = int(manifest["count"]), tuple(manifest["shape"]), manifest["dtype"]
    kept, parts = np.delete(np.arange(total), [row for row, _ in skipped]), None
    if layout.in_pieces:
        kept = kept[np.fromfile(folder / "samples_of.raw", "<i8")]
        parts = _parts((folder / "parts.txt").read_bytes())
    tokens = np.fromfile(folder / "tokens.raw", "<u8").astype(np.uint64)
    size = (folder / "samples.raw").stat().st_size
    if (shape, dtype, size) != (tuple(layout.shape), layout.dtype, count * row_bytes(layout)):
        raise ValueError(f"{folder} does not fit its manifest")
    if not count == len(kept) == len(tokens) or (parts and len(parts) != count):
        raise ValueError(f"{folder} does not fit its source")
    rows = MappedRows(folder / "samples.raw", dtype, (count, *shape))
    parts = parts if parts and parts.blob else None
    return Packed(folder, str(manifest["content_hash"]), rows, tokens, kept, skipped, parts)


def _parts(text: bytes) -> Names:
    """The lines of `text`, each without its end."""
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    return Names(text.replace(b"\n", b""), ends - np.arange(len(ends)))


def _build(pointer: Path, source: Source, modality: Modality, layout: Layout) -> Packed | None:
    """Decode everything into a folder beside, then give it its name; None where no sample is readable."""
    beside = pointer.with_suffix(".partial")
    shutil.rmtree(beside, ignore_errors=True)  # a process was killed here before
    beside.mkdir()
    try:
        if shutil.disk_usage(beside).free < len(source) * row_bytes(layout):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        content_hash, skipped = _write(beside, source, modality, layout)
        packed = None
        if len(skipped) < len(source):
            target = pointer.with_name(_key(content_hash, modality.name, layout))
            packed = _publish(beside, target, layout, len(source), skipped)
        write_atomic(pointer, json.dumps({"packed": packed and packed.folder.name, "skipped": skipped}).encode())
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return packed


def _publish(beside: Path, target: Path, layout: Layout, total: int, skipped: Skipped) -> Packed:
    """Rename the finished folder, unless the same content is there already and in order."""
    with hold(target.with_name("publish.lock"), _PUBLISHING):
        try:
            return _open(target, layout, total, skipped)
        except _DAMAGED:
            shutil.rmtree(target, ignore_errors=True)
        beside.rename(target)
        sync_folder(target.parent)
    return _open(target, layout, total, skipped)


class _Writer:
    """The files of a packed set, row by row."""

    def __init__(self, folder: Path, stack: ExitStack, *, in_pieces: bool) -> None:
        """`stack` closes the files."""
        names = ("samples.raw", "tokens.raw", *(("samples_of.raw", "parts.txt") if in_pieces else ()))
        self._files = [stack.enter_context((folder / name).open("wb", _BUFFER)) for name in names]
        self.count, self._samples = 0, 0
        self.content = hashlib.sha256()

    def flush(self) -> None:
        """All that was added is on the disk."""
        for file in self._files:
            file.flush()
            os.fsync(file.fileno())

    def add(self, row: Decoded) -> None:
        """One more row; the first piece of a sample stands for a new one."""
        if row.number == 0:
            self.content.update(row.digest)
            self._samples += 1
        number = (self._samples - 1).to_bytes(8, "little")
        part = f"#{row.part}\n" if row.part else "\n"
        for file, held in zip(self._files, (row.values.tobytes(), row.token, number, part.encode()), strict=False):
            file.write(held)
        self.count += 1


def _write(beside: Path, source: Source, modality: Modality, layout: Layout) -> tuple[str, Skipped]:
    """Rows and what belongs to each, and the manifest last; returns the content hash and the skipped samples."""
    skipped: list[tuple[int, str]] = []
    with (
        ExitStack() as stack,
        console.progress(f"packing {len(source):,} {modality.sources}", len(source)) as tick,
        catch_warnings(),
        closing(decoded(source, modality, layout)) as blocks,
    ):
        writer = _Writer(beside, stack, in_pieces=layout.in_pieces)
        simplefilter("ignore")  # decoders warn of odd metadata; what is wrong with a sample is listed instead
        for block in blocks:
            for row, outcome in block:
                if isinstance(outcome, str):
                    skipped.append((row, outcome))
                else:
                    writer.add(outcome)
            tick(block[-1][0] + 1, f"{len(skipped):,} skipped" if skipped else "")
        writer.flush()
    manifest = {
        "count": writer.count,
        "shape": list(layout.shape),
        "dtype": layout.dtype,
        "modality": modality.name,
        "layout": layout.model_dump(mode="json"),
        "content_hash": writer.content.hexdigest(),
    }
    write_atomic(beside / "manifest.json", json.dumps(manifest, indent=1).encode())
    return writer.content.hexdigest(), tuple(skipped)


def _too_many_bad(path: Path, source: Source, unit: str, skipped: Skipped, max_bad: float) -> TacitError:
    """The error that stops a run before training, with the full list in a file."""
    names = [(printable(source.name(row)), printable(reason)) for row, reason in skipped]
    write_table(path, names)
    first = "\n".join(f"  {name}: {reason}" for name, reason in names[:5])
    share = math.ceil(100 * len(skipped) / len(source)) / 100
    advice = f"repair or remove them, or allow more with --max-bad {share:.2f}"
    return DataError(
        f"{len(skipped):,} of {len(source):,} {unit} in {printable(source.title)} cannot be read "
        f"(allowed are {max_bad:.1%}): "
        f"{'there is nothing to learn from' if len(skipped) == len(source) else advice}\n{first}\n"
        f"all of them are listed in {path}"
    )


def write_table(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    """Write name and reason of skipped samples, a line each, separated by a tab. Raises `RunError`."""
    try:
        write_atomic(path, "".join(f"{printable(name)}\t{printable(why)}\n" for name, why in rows).encode())
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None
