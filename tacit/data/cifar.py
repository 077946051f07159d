"""CIFAR as its authors publish it: a compressed tar of Python pickles, turned into one .npz safely."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import pickle
import ssl
import tarfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tacit import console, interrupt
from tacit.atomic import sync_folder
from tacit.data.files import hold
from tacit.errors import DataError, RunError

_STALL_SECONDS = 30.0
_CHUNK = 2**18
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class _PlainUnpickler(pickle.Unpickler):
    """Reads pickles of dicts, lists, texts, numbers and NumPy arrays, and nothing that could run code.

    A pickle reaches code only through the names it asks `find_class` for, and these five only build arrays of numbers
    (an array of objects holds what the same unpickler built). It is needed since CIFAR is published in no other form.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which CIFAR has no use for")
        return super().find_class(module, name)


def convert(name: str, roots: Sequence[Path], target: Path) -> None:
    """Find or fetch the published archive of `name` and write it to `target` (.npz), class names included.

    The archive is looked for in `roots` and fetched into the last one; address and checksum are torchvision's.

    Raises:
        DataError: it cannot be found, fetched or read; the message says which file to put where.
    """
    from torchvision.datasets import CIFAR10, CIFAR100

    published = {"cifar10": CIFAR10, "cifar100": CIFAR100}[name]
    found = next((root / published.filename for root in roots if (root / published.filename).is_file()), None)
    advice = f"Put {published.filename} (from {published.url}, MD5 {published.tgz_md5}) into {_places(roots)}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with hold(target.with_suffix(".lock"), f"another process is preparing {name}: waiting for it"):
            if target.is_file():
                return
            archive = found or _fetch(published.url, target.parent / published.filename, advice)
            if _md5(archive) != published.tgz_md5:
                if archive != found:  # so that the next start fetches it again
                    archive.unlink()
                raise DataError(f"{archive} is damaged: its MD5 is not {published.tgz_md5}. {advice}")
            _save(target, read_archive(archive, published))
    except OSError as error:
        raise RunError(
            f"cannot write {target}: {error.strerror or error}; set TACIT_CACHE to a folder with room"
        ) from None


def _save(target: Path, arrays: dict[str, np.ndarray]) -> None:
    beside = target.with_suffix(".tmp")
    with beside.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(target)
    sync_folder(target.parent)


def read_archive(archive: Path, published: Any) -> dict[str, np.ndarray]:
    """Arrays `x_train`, `x_test` (uint8 `[N, 32, 32, 3]`), `y_train`, `y_test` and `classes`. Raises `DataError`."""
    wanted = {f"{published.base_folder}/{name}" for name, _ in (*published.train_list, *published.test_list)}
    wanted.add(f"{published.base_folder}/{published.meta['filename']}")
    batches: dict[str, Any] = {}
    try:
        with tarfile.open(archive, "r:gz") as members:
            for member in members:
                interrupt.check()
                contents = members.extractfile(member) if member.name in wanted else None
                if contents is not None:
                    batches[Path(member.name).name] = _plain(contents.read())
        parts = {"train": published.train_list, "test": published.test_list}
        arrays = {"classes": np.array(batches[published.meta["filename"]][published.meta["key"]])}
        for part, files in parts.items():
            held = [batches[name] for name, _ in files]
            pixels = np.concatenate([batch["data"] for batch in held]).reshape(-1, 3, 32, 32)
            arrays[f"x_{part}"] = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
            arrays[f"y_{part}"] = np.concatenate([batch.get("labels", batch.get("fine_labels")) for batch in held])
    except (tarfile.TarError, pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError) as error:
        raise DataError(f"{archive} is not CIFAR as published: {error}") from None
    return arrays


def _plain(contents: bytes) -> Any:
    return _PlainUnpickler(io.BytesIO(contents), encoding="latin1").load()


def _fetch(url: str, target: Path, advice: str) -> Path:
    """Download `url` to `target`. Raises `DataError` where that fails."""
    beside = target.with_name(target.name + ".tmp")
    try:
        with urllib.request.urlopen(url, timeout=_STALL_SECONDS) as answer, beside.open("wb") as file:  # noqa: S310
            total = int(answer.headers.get("Content-Length") or 0)
            with console.progress(f"fetching {target.name}", total) as tick:
                while chunk := answer.read(_CHUNK):
                    interrupt.check()
                    file.write(chunk)
                    tick(file.tell())
        beside.replace(target)
    except (urllib.error.URLError, TimeoutError, ConnectionError, ssl.SSLError, http.client.HTTPException) as error:
        raise DataError(f"{target.name} is not on this machine and cannot be fetched ({error}). {advice}") from None
    finally:
        beside.unlink(missing_ok=True)
    return target


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _places(roots: Sequence[Path]) -> str:
    named = " or ".join(str(root) for root in roots)
    return named if len(roots) > 1 else f"{named}, or into a folder that TACIT_DATA names"
