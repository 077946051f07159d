"""What took long is kept in the cache, under all that it depends on, and found again: floors, trainings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tacit.console import say
from tacit.data.cache import cache_folder
from tacit.data.files import write_atomic
from tacit.engine import checkpoint


@dataclass(frozen=True, eq=False)
class Kept:
    """Tensors, and what is said beside them."""

    tensors: Mapping[str, Tensor]
    notes: Any = field(default_factory=dict)
    """Plain values, as JSON has them."""


class Shelf:
    """Files of safetensors in one folder of the cache, each named by a hash of what its content depends on.

    tacit's sources and torch's version are part of every name: within one version of tacit, too, other code gives
    other figures.
    """

    def __init__(self, name: str, folder: Path | None = None) -> None:
        """`name` of the folder, inside `folder` or the cache."""
        self._folder = (folder or cache_folder()) / name

    def recall(self, facts: Mapping[str, Any]) -> Kept | None:
        """What was kept under `facts`; None where there is nothing, or where it is damaged, which is said."""
        from safetensors import SafetensorError
        from safetensors.torch import load as from_bytes

        path = self._path(facts)
        try:
            data = path.read_bytes()
            tensors, header = from_bytes(data), _header(data)
            if header["seal"] != digest(tensors, header["said"]):
                raise ValueError("its content does not match its seal")
            names, notes = json.loads(header["said"])
            return Kept({name: tensors[name] for name in names}, notes)  # safetensors knows no order
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, ValueError, LookupError, TypeError):
            say(f"note: {path} is damaged, so what was kept there is done anew")
            return None

    def keep(self, facts: Mapping[str, Any], kept: Kept) -> bool:
        """Keep something under `facts`; False where the cache cannot be written, which costs time later alone."""
        said = json.dumps([list(kept.tensors), kept.notes])
        header = {"said": said, "seal": digest(kept.tensors, said)}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path(facts), checkpoint.serialise(checkpoint.State(kept.tensors), header))
        except OSError:
            return False
        return True

    def _path(self, facts: Mapping[str, Any]) -> Path:
        known = {**facts, "sources": _sources(), "torch": torch.__version__}
        text = json.dumps(known, sort_keys=True, default=str)
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()}.safetensors"


def digest(*parts: Any) -> str:
    """SHA-256 of tensors, mappings of tensors by name, and plain values."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, Tensor):
            whole = part.detach().cpu().contiguous()
            found.update(f"{whole.dtype} {tuple(whole.shape)}".encode())
            found.update(whole.flatten().view(torch.uint8).numpy().data)
        elif isinstance(part, Mapping) and all(isinstance(value, Tensor) for value in part.values()):
            for name in sorted(part):
                found.update(f"{name} {digest(part[name])}".encode())
        else:
            found.update(json.dumps(part, sort_keys=True).encode())
    return found.hexdigest()


def _header(data: bytes) -> dict[str, str]:
    """What is said in the header of a safetensors file, whose length is its first eight bytes."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return dict(header["__metadata__"])


@cache
def _sources() -> str:
    """Hash of all of tacit's sources."""
    root = Path(__file__).parents[1]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(root.rglob("*.py")))).hexdigest()
