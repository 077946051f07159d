"""The same commands for Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tacit.encoder import TrainedEncoder, load
from tacit.proof import DEFAULT_TASKS, Proof, prove
from tacit.training import configure, encoder_named
from tacit.training import train as run


def train(
    data: str | Path,
    out: str | Path,
    *,
    method: str = "simclr",
    encoder: str | None = None,
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
) -> TrainedEncoder:
    """Learn an encoder from unlabelled data; the run stands in the folder `out`.

    Args:
        data: folder, archive, list, array file or built-in name, as for `tacit train`.
        out: a folder that is new or empty, or, with `resume`, that of the run to go on with.
        method, encoder, preset: as for `tacit train`.
        settings: any other settings, nested as in `tacit train --print-config`.
        resume: go on with the run in `out`, to the same bits as if it had never stopped.

    Raises:
        tacit.errors.TacitError: with what was given, what was expected and what to do.
    """
    told: list[Mapping[str, Any]] = [settings or {}, {"data": str(data), "method": {"name": method}}]
    if encoder is not None:
        told.append({"encoder": encoder_named(encoder)})
    config = configure(told, preset=preset, resume=Path(out) if resume else None)
    return run(config, Path(out), resume=resume)


def evaluate(
    encoder: TrainedEncoder | str | Path, data: str | Path, *, tasks: Sequence[str] = DEFAULT_TASKS, seed: int = 0
) -> Proof:
    """Judge an encoder on labelled data, beside every floor; see `Proof.evaluation`."""
    loaded = encoder if isinstance(encoder, TrainedEncoder) else load(encoder)
    return prove(loaded, str(data), tasks=tasks, seed=seed)
