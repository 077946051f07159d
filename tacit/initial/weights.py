"""Weights that others have published: a file read without unpickling, and matched to an encoder by name and shape."""

from __future__ import annotations

import difflib
import json
import math
import pickle
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.core import Encoder
from tacit.errors import RunError, UsageError
from tacit.nn.convnet import Timm

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
ENOUGH = 0.5
"""The share of an encoder's tensors that a file has to hold: below it the two are of different kinds."""
BEYOND = 0.1
"""How many more tensors a file may have in the parts that are used, as a share: above it, it is of a larger network."""
MOST_OTHERS = 5
"""Tokens that may stand before those of a grid: a class, a distillation, four registers."""
SHOWN = 4
CANDIDATES = 8
"""Models of timm that are tried where the file fits another one than was asked for."""
_COUNTERS = "num_batches_tracked"


@dataclass(frozen=True)
class Report:
    """What a file of weights gave to an encoder."""

    loaded: int
    wanted: int
    left: tuple[str, ...]
    """Tensors of the file that were not used, such as its classifier."""
    missing: tuple[str, ...]
    """The encoder's tensors that the file does not hold: they stay as they were drawn."""
    adapted: tuple[str, ...]
    """Which tensors were fitted to other channels or another size of input."""

    def in_words(self, path: Path) -> str:
        """The report in one sentence."""
        parts = [f"weights: {self.loaded} of the encoder's {self.wanted} tensors are from {path}"]
        if self.missing:
            parts.append(f"{_listed(self.missing)} not in the file and new")
        if self.left:
            parts.append(f"left in the file: {_listed(self.left)}")
        if self.adapted:
            parts.append(f"fitted to the input: {_listed(self.adapted)}")
        return "; ".join([*parts, "the input is standardised as these weights expect"])


def is_published(path: Path) -> bool:
    """Whether `path` is a file of weights that tacit did not write."""
    if not path.is_file() or path.suffix not in SUFFIXES or path.parent.name == "checkpoints":
        return False
    try:
        described = json.loads((path.parent / "config.json").read_bytes())
    except (OSError, ValueError):
        return True
    own = isinstance(described, dict) and bool(described.keys() & {"layout", "task"})
    return not (own and path.name == "model.safetensors")


def read(path: Path) -> dict[str, Tensor]:
    """The tensors in a file, by name; names of nested parts are joined by dots.

    Raises:
        UsageError: it holds more than tensors and would have to be unpickled.
        RunError: it cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        return dict(_flat(torch.load(path, map_location="cpu", weights_only=True)))
    except pickle.UnpicklingError:
        raise UsageError(
            f"{path} holds Python objects beside tensors, or is no file of weights, and unpickling runs whatever code "
            "a file brings, so tacit does not. Where you trust the file, write its tensors once as safetensors: "
            'python -c "import torch, safetensors.torch as s; '
            f"m = torch.load('{path.name}', weights_only=False); s.save_file(m.state_dict(), 'weights.safetensors')\""
        ) from None
    except (SafetensorError, RuntimeError, ValueError, EOFError, LookupError, OSError) as error:
        text = " ".join(str(error).split())[:150]
        raise RunError(f"{path} is damaged, or no file of weights ({text}): copy or fetch it anew") from None


def _flat(loaded: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(loaded, Tensor):
        yield prefix, loaded
    elif isinstance(loaded, Mapping):
        for name, value in loaded.items():
            yield from _flat(value, f"{prefix}.{name}" if prefix else str(name))


def fill(encoder: Encoder, path: Path) -> Report:
    """Put the weights of the file at `path` into `encoder`.

    Names may stand behind a prefix (`module.`, `model.backbone.`). A first layer of another number of channels is
    summed (to one) or repeated and scaled (to more). Raises `UsageError` where the two do not fit.
    """
    names = {own: theirs for own, theirs in encoder.published().items() if not own.endswith(_COUNTERS)}
    if not names:
        raise UsageError(
            f"{path} holds published weights, and {type(encoder).__name__} is tacit's own design, of which there are "
            "none: choose the encoder that they were made for, such as --encoder resnet18 or a model name of timm"
        )
    held = read(path)
    prefix = _prefix(held, names.values())
    found = {name.removeprefix(prefix): value for name, value in held.items() if not name.endswith(_COUNTERS)}
    state = encoder.state_dict()
    pairs = {own: (found[theirs], state[own]) for own, theirs in names.items() if theirs in found}
    taken = {own: fitted for own, pair in pairs.items() if (fitted := _fitted(*pair)) is not None}
    used = {names[own] for own in taken}
    left = tuple(name for name in found if name not in used)
    parts = {name.partition(".")[0] for name in used}
    beyond = sum(name.partition(".")[0] in parts for name in left)
    misfits = [
        f"{names[own]} {list(given.shape)} there, {list(wanted.shape)} here"
        for own, (given, wanted) in pairs.items()
        if own not in taken
    ]
    if misfits or len(taken) < ENOUGH * len(names) or beyond > BEYOND * len(names):
        raise _refusal(path, encoder, held, f"{len(taken)} of its {len(names)} tensors", beyond, misfits)
    encoder.load_state_dict({**taken, **encoder.expected()}, strict=False)
    adapted = tuple(names[own] for own in taken if pairs[own][0].shape != pairs[own][1].shape)
    return Report(len(taken), len(names), left, tuple(names[own] for own in names if own not in taken), adapted)


def _prefix(found: Mapping[str, Tensor], names: Any) -> str:
    """What stands before most of `names` in the file."""
    ends = set(names)
    counts: Counter[str] = Counter()
    for name in found:
        parts = name.split(".")
        for depth in range(len(parts)):
            if ".".join(parts[depth:]) in ends:
                counts["".join(f"{part}." for part in parts[:depth])] += 1
    return counts.most_common(1)[0][0] if counts else ""


def _fitted(given: Tensor, wanted: Tensor) -> Tensor | None:
    """`given` in the shape of `wanted`, None where no sound rule leads there."""
    if given.shape == wanted.shape:
        return given.to(wanted.dtype)
    if given.dim() == wanted.dim() == 4 and given.shape[1] == 3:
        others_equal = given.shape[2:] == wanted.shape[2:] and len(given) == len(wanted)
        return _other_channels(given.float(), wanted.shape[1]).to(wanted.dtype) if others_equal else None
    if given.dim() == wanted.dim() == 3 and len(given) == len(wanted) == 1 and given.shape[2] == wanted.shape[2]:
        return _other_grid(given.float(), wanted.shape[1])
    return None


def _other_channels(filters: Tensor, channels: int) -> Tensor:
    """Filters `[O, 3, h, w]` of red, green and blue for `channels`.

    One channel is what the three look like when they are equal: their filters add up. Other numbers repeat the colours,
    scaled so that responses stay as large.
    """
    if channels == 1:
        return filters.sum(1, keepdim=True)
    return filters.repeat(1, -(-channels // 3), 1, 1)[:, :channels] * (3 / channels)


def _other_grid(positions: Tensor, wanted: int) -> Tensor | None:
    """Embeddings of positions `[1, L, D]` on a square grid, behind a few of other tokens, for `wanted` positions.

    Interpolated as in the vision transformer's own fine-tuning (Dosovitskiy et al. 2021, section 3.2).
    """
    count = positions.shape[1]
    for others in range(MOST_OTHERS + 1):
        side, new = (math.isqrt(max(0, length - others)) for length in (count, wanted))
        if side and new and side**2 + others == count and new**2 + others == wanted:
            grid = positions[:, others:].view(1, side, side, -1).permute(0, 3, 1, 2)
            grid = F.interpolate(grid, (new, new), mode="bicubic", antialias=True)
            return torch.cat([positions[:, :others], grid.flatten(2).transpose(1, 2)], dim=1)
    return None


def _refusal(
    path: Path, encoder: Encoder, held: Mapping[str, Tensor], share: str, beyond: int, misfits: Sequence[str]
) -> UsageError:
    why = f"{path} does not fit the encoder: {share} are in the file by name and shape"
    if misfits:
        why += f"; of another shape: {'; '.join(misfits[:SHOWN])}"
    if beyond:
        why += f"; {beyond} more tensors of its parts have no place here"
    fitting = _fitting(path, held)
    if fitting == encoder.Config.model_fields["name"].default:
        return UsageError(f"{why}. Small samples get a smaller first layer: give --set modality.size=96 or more")
    if fitting and not (isinstance(encoder, Timm) and encoder.model == fitting):
        return UsageError(f"{why}. It fits timm's {fitting}: --encoder {fitting}")
    return UsageError(f"{why}. {_unknown(held)}")


def _unknown(found: Mapping[str, Tensor]) -> str:
    return f"The file holds {len(found)} tensors, such as {_listed(tuple(found))}: name the encoder they were made for"


def _fitting(path: Path, found: Mapping[str, Tensor]) -> str | None:
    """The model of timm, among those named like the file, whose tensors the file holds; None where none fits."""
    import timm

    known: list[str] = timm.list_models()
    stem = path.stem.lower().replace("-", "_")
    close = difflib.get_close_matches(stem, known, n=CANDIDATES, cutoff=0.3)
    starts = sorted((name for name in known if stem.startswith(name)), key=len, reverse=True)[:CANDIDATES]
    shapes = {name: tuple(value.shape) for name, value in found.items()}
    for name in dict.fromkeys([*starts, *close]):
        with torch.device("meta"):
            theirs = {n: tuple(value.shape) for n, value in timm.create_model(name).state_dict().items()}
        prefix = _prefix(found, theirs)
        if all(shapes.get(prefix + n) == shape for n, shape in theirs.items() if not n.endswith(_COUNTERS)):
            return name
    return None


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"
