"""How far the steps of series are apart, in words, and what to do where that changes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tacit.modalities.grid import Every
from tacit.modalities.stamps import NUMBER, instants

STEP, UNEVEN, GAP = "step", "uneven steps", "longest gap"
_IN_SECONDS = ", s"
_SLACK = 0.1
"""Share of the usual step by which one may differ and count as even: stamps that tremble are better left."""
_NEAR = 0.05
_USUAL = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 15, 20, 30)
"""Seconds that people choose, and multiples of a minute, an hour and a day."""
_LONGER = (*(60 * m for m in (1, 2, 5, 10, 15, 20, 30)), *(3600 * h for h in (1, 2, 3, 4, 6, 8, 12)), 86_400, 604_800)

_CENTURY = 36_525 * 86_400


def rhythm(times: Sequence[object]) -> Mapping[str, str | float]:
    """The usual (median) and the longest step between `times`, in seconds or in their unit, and whether all are alike.

    A step is uneven that differs from the usual by more than a tenth. Fewer than two times say nothing. Raises
    `Unreadable`.
    """
    if len(times) < 2:
        return {}
    when = instants(times, range(1, len(times) + 1))
    gaps = np.diff(when.seconds())
    unit = "" if when.kind == NUMBER else _IN_SECONDS
    usual = float(np.median(gaps))
    uneven = bool((np.abs(gaps - usual) > _SLACK * usual).any())
    return {f"{STEP}{unit}": usual, UNEVEN: "yes" if uneven else "no", f"{GAP}{unit}": float(gaps.max())}


def advice(known: Mapping[str, Sequence[str | float]]) -> list[str]:
    """What to do about series whose steps are uneven, by their facts; nothing where none are, or they have no times."""
    uneven = [told == "yes" for told in known.get(UNEVEN, ())]
    unit = _IN_SECONDS if STEP + _IN_SECONDS in known else ""
    if not any(uneven) or f"{STEP}{unit}" not in known:
        return []
    usual = float(np.median([float(step) for step in known[f"{STEP}{unit}"]]))
    longest = max(float(gap) for gap in known[f"{GAP}{unit}"])
    told = [in_words(span) if unit else f"{span:g}" for span in (usual, longest)]
    return [
        f"{sum(uneven):,} of {len(uneven):,} series have uneven steps, usually {told[0]} and at most {told[1]} apart, "
        f"and that is not read: --set modality.every={suggested(usual, dated=bool(unit))} brings rows to even steps, "
        "each the mean of what falls into it, or missing"
    ]


def suggested(step: float, *, dated: bool) -> str:
    """A step of a grid, as `modality.every` reads it, for rows that are `step` seconds, or units, apart."""
    if not dated:
        return str(Every.of(f"{min(max(step, 1e-12), 1e15):.6g}"))
    near = min((*_USUAL, *_LONGER), key=lambda usual: abs(math.log(usual / step)))
    if abs(near / step - 1) > _NEAR:
        near = round(step) if step >= 10 else max(1e-6, round(step, 3) or round(step, 6))
    return str(Every.of(f"{min(near, _CENTURY):.6f}s"))


def in_words(seconds: float) -> str:
    """A span of time by its two largest units: 3h 20m."""
    left, said = round(seconds * 1000), []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        many, left = divmod(left, size)
        said += [f"{many}{unit}"] if many else []
    return " ".join(said[:2]) or f"{seconds:g}s"
