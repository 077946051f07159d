"""Which method is taken where none is asked for: the usual one, unless others were measured to be better beyond chance.

The figures stand in `measured.json`, which `benchmarks/measured.py` makes from the published tables.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import resources
from typing import Any

from tacit.config import merge
from tacit.console import say
from tacit.core import LABELS, Modality
from tacit.data.source import open_source
from tacit.engine.settings import Budget
from tacit.errors import TacitError, UsageError
from tacit.methods import METHODS
from tacit.modalities import MODALITIES
from tacit.settings import ENCODERS

NEAR = 2
"""Measured sets that decide, the nearest by size and budget: one alone is one set's word."""


@dataclass(frozen=True)
class Case:
    """Methods measured on one set, for the same time."""

    kind: str
    """Name of the modality."""
    name: str
    """Of the set."""
    samples: int
    """For training."""
    seconds: float
    """Of training."""
    figures: Mapping[str, Sequence[float]]
    """Method -> value, low and high end of its 95 % interval."""
    metric: str = ""
    """What the figures are."""
    untrained: Mapping[str, float] = field(default_factory=dict)
    """Method -> the figure of its network before training; none of those that have no network."""
    beside: bool = True
    """Whether these are all that run on such data: else it does not tell which of them to take."""
    less: bool = False
    """Whether less is better, where they are not `beside` each other."""

    def distance(self, samples: int | None, seconds: float | None) -> float:
        """How far a run is from it: the logarithms of how many times as large and as long, what is not known aside."""
        pairs = ((samples, self.samples), (seconds, self.seconds))
        return sum(abs(math.log(given / own)) for given, own in pairs if given)

    def beaten(self, method: str, among: Collection[str]) -> bool:
        """Whether all of its interval is below the best of those `among` the methods, or it was not tried."""
        if method not in self.figures:
            return True
        return self.figures[method][2] < max(own[0] for name, own in self.figures.items() if name in among)

    def gained(self, method: str) -> str:
        """`better` or `worse` than its network before training, beyond the interval, or `level`; empty without one."""
        before, (_, low, high) = self.untrained.get(method), self.figures[method]
        if before is None:
            return ""
        words = ("worse", "better") if self.less else ("better", "worse")
        return words[0] if low > before else words[1] if high < before else "level"

    def share(self, method: str) -> float:
        """Of the other methods, the share that is below it."""
        others = [own[0] for name, own in self.figures.items() if name != method]
        return sum(self.figures[method][0] > value for value in others) / max(1, len(others))


@cache
def measured() -> tuple[Case, ...]:
    """All cases that ship."""
    return tuple(Case(**each) for each in json.loads(resources.files("tacit").joinpath("measured.json").read_text()))


def choose(
    kind: str,
    usual: str,
    able: Collection[str],
    *,
    seconds: float | None = None,
    samples: Callable[[], int | None] = lambda: None,
    cases: Sequence[Case] | None = None,
) -> tuple[str, str] | None:
    """The method for data of a `kind`, of those that are `able`, and why; None where `usual` is not able and nothing
    was measured.

    The `NEAR` measured sets of the kind that are nearest to the run decide. A method is beaten on one where all of its
    interval is below the best there, or where it was not tried. The `usual` one is taken unless others were beaten on
    fewer; of several such the one that stands best over all kinds of data. `seconds`: of training, None where steps or
    epochs rule; `samples` is asked for its number where it can matter alone.
    """
    everything = [case for case in (measured() if cases is None else cases) if case.beside]
    own = [case for case in everything if case.kind == kind and case.figures.keys() & set(able)]
    size = samples() if len(own) > NEAR else None
    near = sorted(own, key=lambda case: case.distance(size, seconds))[:NEAR]
    tried = [name for name in able if any(name in case.figures for case in near)]
    if not tried:
        return (usual, "the usual one; nothing like this was measured") if usual in able else None
    beaten = {name: sum(case.beaten(name, able) for case in near) for name in tried}
    places, fewest = " and ".join(f"{case.name} ({case.seconds:g} s)" for case in near), min(beaten.values())
    if beaten.get(usual) == fewest:
        return usual, f"the usual one; on {places} no other was better beyond chance{' on both' if fewest else ''}"
    best = max((name for name in tried if beaten[name] == fewest), key=lambda name: standing(name, everything))
    if usual in tried:
        return (
            best,
            f"{usual}, the usual one, was beaten beyond chance on {places}; this stands best of those that were not",
        )
    return best, f"{usual}, the usual one, does not fit what was asked; this stands best of those measured on {places}"


def standing(method: str, cases: Sequence[Case]) -> float:
    """From 0 to 1: the share of other methods that it was better than, averaged over the cases that have it and one
    in which it would be in the middle, so that few cases say little."""
    shares = [case.share(method) for case in cases if method in case.figures]
    return (sum(shares) + 0.5) / (len(shares) + 1)


def able(kind: Modality, encoder: str | None, preset: str | None, options: Collection[str]) -> list[str]:
    """The methods that run on data of the kind with this `encoder`, have this `preset` and all of these `options`.

    A method whose recipe names an encoder goes with that one alone, and an encoder without gradients only with the
    method that solves it; None stands for any. What learns from labels has to be asked for by name.
    """
    found = []
    for name, method in METHODS.items():
        presets = {**method.presets, **kind.presets.get(name, {})}
        recipe = merge(presets.get("default", {}), kind.recipes.get(name, {}))
        own = recipe.get("encoder", {}).get("name")
        solved = encoder in ENCODERS and ENCODERS[encoder].solved
        fits = encoder in (None, own) or (own is None and not solved)
        has = (preset is None or preset in presets) and set(options) <= method.Config.model_fields.keys()
        if fits and has and not method.needs(method.Config()) - (kind.offers - {LABELS}):
            found.append(name)
    return found


def chosen(told: Mapping[str, Any], preset: str | None) -> Mapping[str, Any]:
    """The method and why, as settings, where the settings `told` name none; it is said, too.

    What was chosen once does not outlive another name. Settings that are wrong are left to `settings.build`.
    """
    method, encoder, modality = (told.get(part, {}) for part in ("method", "encoder", "modality"))
    if not all(isinstance(part, Mapping) for part in (method, encoder, modality)):
        return {}
    if "name" in method:
        stale = not str(told.get("chosen")).startswith(f"{method['name']}: ")
        return {"chosen": None} if stale and "chosen" in told else {}
    kind, name = MODALITIES.get(str(modality.get("name"))), encoder.get("name")
    if kind is None or not isinstance(name, str | None):
        return {}
    found = choose(
        kind.name,
        kind.method,
        able(kind, name, preset, method.keys()),
        seconds=_seconds(told.get("budget", {})),
        samples=partial(_count, kind, told.get("data")),
    )
    if found is None:
        return {}
    say(f"method {found[0]}: {found[1]}. --method takes another")
    return {"method": {"name": found[0]}, "chosen": ": ".join(found)}


def _seconds(budget: Any) -> float | None:
    """Of training; None where steps or epochs rule."""
    try:
        return Budget.parse(budget).seconds
    except UsageError:
        return None


def _count(kind: Modality, data: Any) -> int | None:
    """Samples in the data; None where they cannot be opened."""
    try:
        return len(open_source(data, kind.suffixes, records=kind.records)) if isinstance(data, str) else None
    except TacitError:
        return None
