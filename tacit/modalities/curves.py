"""What is to be known of series before training, what follows from it, and how they look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from tacit.core import Raw, View
from tacit.modalities import rhythm
from tacit.modalities.described import of_one_length
from tacit.modalities.steps import decode
from tacit.modalities.stretches import SeriesLayout

Fact = str | float
_MANY = 0.01
"""Share of a set from which on an oddity is worth a sentence."""
_FEW_STEPS = 8
_WIDTH, _HEIGHT = 128, 64
_PAPER, _GAP = 251, 228
_HUES = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189), (255, 127, 14), (23, 190, 207))


def facts(raw: Raw) -> Mapping[str, Fact]:
    """Channels, steps, missing values, level and spread (means over its channels) of a series. Raises `Unreadable`."""
    found = decode(raw)
    told = found[:, ~np.isnan(found).all(axis=0)].astype(np.float64)
    moves = np.nanmax(told, axis=0) > np.nanmin(told, axis=0)
    return {
        "channels": str(found.shape[1]),
        "steps": float(len(found)),
        "missing, %": float(100 * np.isnan(found).mean()),
        "level": float(np.nanmean(told, axis=0).mean()),
        "spread": float(np.nanstd(told, axis=0).mean()),
        "constant": float(found.shape[1] - moves.sum()),
    }


def advice(known: Mapping[str, Sequence[Fact]], layout: SeriesLayout, sample: View) -> Sequence[str]:
    """What to do about the series of a set, by their facts."""
    numbers = {name: np.array(known[name], np.float64) for name in ("steps", "missing, %", "level", "spread")}
    own = [*_lengths(numbers["steps"], layout), *_values(numbers, layout), *_still(sample)]
    return [*(rhythm.advice(known) if layout.every is None else ()), *own]


def _lengths(steps: np.ndarray, layout: SeriesLayout) -> list[str]:
    said = []
    cut = 0 if layout.in_pieces else int((steps > layout.length).sum())
    if cut:
        said.append(
            f"{cut:,} of {len(steps):,} series are longer than the {layout.length:,} steps that are kept, the longest "
            f"{steps.max():,.0f}: what comes later is never seen. --set modality.window=256 cuts them into windows, "
            f"--set modality.steps={steps.max():.0f} keeps all in one sample"
        )
    short = int((steps < _FEW_STEPS).sum())
    if short > _MANY * len(steps):
        said.append(f"{short:,} series have fewer than {_FEW_STEPS} steps: views of them are hardly different")
    return said


def _values(numbers: Mapping[str, np.ndarray], layout: SeriesLayout) -> list[str]:
    said = []
    missing = numbers["missing, %"]
    if (missing > 0).any():
        said.append(
            f"{int((missing > 0).sum()):,} series lack values, {missing.mean():.1f} % of all: they are missing in "
            "every view, and nothing is put in their place"
        )
    level, spread = numbers["level"], numbers["spread"]
    if layout.normalise == "none" and len(level) > 1 and np.std(level) > 3 * max(np.median(spread), 1e-12):
        said.append(
            "the series differ in level far more than they move: where the level says nothing (another sensor, another "
            "unit), --set modality.normalise=series brings each to mean 0 and deviation 1"
        )
    return said


def _still(sample: View) -> list[str]:
    """Channels in which no series moves."""
    x = sample.x if sample.valid is None else sample.x.masked_fill(~sample.valid[..., None], torch.nan)
    still = []
    for channel in range(x.shape[2]):
        own = x[..., channel][~x[..., channel].isnan()]
        if not len(own) or bool((own == own[0]).all()):
            still.append(channel + 1)
    if not still or x.shape[2] == 1:
        return []
    named = ", ".join(map(str, still[:5])) + (", ..." if len(still) > 5 else "")
    return [f"channels that never change, in any series: {named}. They say nothing and cost time: leave them out"]


def picture(view: View) -> np.ndarray:
    """Series as lines, each channel on its own scale, steps without a value in grey: uint8 `[B, H, W, 3]`."""
    view = View(view.x.detach().cpu(), None if view.valid is None else view.valid.cpu())
    x = of_one_length(view, _WIDTH).numpy()
    pictures = np.full((len(x), _HEIGHT, _WIDTH, 3), _PAPER, np.uint8)
    if view.valid is not None:
        for row, valid in enumerate(view.valid.numpy()):
            steps = np.flatnonzero(valid)
            inside = valid[steps[0] : steps[-1] + 1] if len(steps) else np.zeros(1, bool)
            at = np.minimum((np.arange(_WIDTH) * len(inside)) // _WIDTH, len(inside) - 1)
            pictures[row][:, ~inside[at]] = _GAP
    low, high = x.min(axis=1, keepdims=True), x.max(axis=1, keepdims=True)
    scaled = np.where(high > low, (x - low) / np.maximum(high - low, 1e-30), 0.5)
    places = np.rint((1 - scaled) * (_HEIGHT - 5) + 2).astype(int)
    for channel in range(min(x.shape[2], len(_HUES))):
        line = places[..., channel]
        before = np.concatenate([line[:, :1], line[:, :-1]], axis=1)
        top, foot = np.minimum(line, before), np.maximum(line, before) + 1
        rows = np.arange(_HEIGHT)[None, :, None]
        pictures[(rows >= top[:, None]) & (rows <= foot[:, None])] = _HUES[channel]
    return pictures
