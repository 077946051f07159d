"""Work that takes minutes, piece by piece: what is done is kept, and the same command goes on from there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tacit import interrupt
from tacit.console import say
from tacit.data.shelf import Kept, Shelf
from tacit.engine.environment import environment
from tacit.engine.settings import EngineConfig
from tacit.errors import Interrupted

SAID = "said"
"""The note of a piece that is told when it is done."""


@dataclass(frozen=True, eq=False)
class Piece:
    """Something to do that is kept once it is done."""

    title: str
    facts: Mapping[str, Any]
    """All that the outcome depends on, but for the environment: pieces of equal facts are done once."""
    cost: int
    """How long it takes beside the others, such as its number of steps."""
    do: Callable[[], Kept]


def carried_out(unit: str, pieces: Sequence[Piece], folder: Path | None = None) -> list[Kept]:
    """The outcome of each of the `pieces`, from the cache where they have been done before; a `unit` is one of them.

    Says which one it is at, what came of each, and how long the rest may take. Raises `Interrupted` on a signal, with
    the number of those that are kept.
    """
    shelf, total, surroundings = Shelf(f"{unit}s", folder), len(pieces), _surroundings()
    facts = [{**piece.facts, "environment": surroundings} for piece in pieces]
    found = {number: kept for number, each in enumerate(facts) if (kept := shelf.recall(each)) is not None}
    if found:
        say(f"{len(found)} of {total} {unit}s are there already")
    safe, lost = len(found), False
    clock = _Clock(sum(piece.cost for number, piece in enumerate(pieces) if number not in found))
    for number, piece in enumerate(pieces):
        if number in found:
            continue
        say(f"{unit} {number + 1} of {total}: {piece.title}{clock.left()}")
        try:
            interrupt.check()
            found[number] = piece.do()
        except Interrupted as stop:
            where = f"interrupted in {unit} {number + 1} of {total}: {safe} of them are kept"
            raise Interrupted(stop.exit_code - 128, f"{where}, and the same command goes on from there") from None
        if shelf.keep(facts[number], found[number]):
            safe += 1
        elif not lost:
            lost = True
            say(f"note: {unit}s are not kept, since the cache cannot be written: set TACIT_CACHE to another folder")
        clock.done += piece.cost
        say(f"  {found[number].notes[SAID]}")
    return [found[number] for number in range(total)]


class _Clock:
    """Tells how long the rest takes, from what was done so far."""

    def __init__(self, cost: int) -> None:
        self._cost, self._started = cost, time.monotonic()
        self.done = 0

    def left(self) -> str:
        """`, about 12 min left`; nothing while nothing is known."""
        if not self.done:
            return ""
        seconds = (time.monotonic() - self._started) / self.done * (self._cost - self.done)
        if seconds < 1:
            return ""
        return f", about {f'{seconds / 60:.0f} min' if seconds >= 90 else f'{seconds:.0f} s'} left"


def _surroundings() -> dict[str, str]:
    """Device, precision, threads and versions, which bits depend on."""
    config = EngineConfig()
    with environment(config, config.precision) as (_, facts):
        return facts
