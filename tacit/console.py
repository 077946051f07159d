"""What is said while work goes on: to stderr, as a live line on a terminal and as a line every 30 s elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

QUIET_SECONDS = 30.0


def say(text: str) -> None:
    """One line to stderr."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def counted(number: int, units: str) -> str:
    """`1 text`, `1,200 texts`, `1 series`; `units` are given in the plural."""
    one = units if units.endswith("series") else units.removesuffix("s")
    return f"{number:,} {one if number == 1 else units}"


class Tick(Protocol):
    """Reports progress: how much is done, and a few words on how it goes."""

    def __call__(self, done: int, text: str = "") -> None: ...


@contextmanager
def progress(title: str, total: int) -> Iterator[Tick]:
    """A progress display for `total` units of work; inside the block call `tick(done, text)` as often as you like."""
    if sys.stderr.isatty():
        with _bar(title, total) as tick:
            yield tick
    else:
        yield _lines(title, total)


@contextmanager
def _bar(title: str, total: int) -> Iterator[Tick]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[text]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4) as bar:
        task = bar.add_task(title, total=total, text="")

        def tick(done: int, text: str = "") -> None:
            bar.update(task, completed=done, text=text)

        yield tick


def _lines(title: str, total: int) -> Tick:
    started = spoken = time.monotonic()

    def tick(done: int, text: str = "") -> None:
        nonlocal spoken
        now = time.monotonic()
        if now - spoken < QUIET_SECONDS:
            return
        spoken = now
        left = (now - started) / max(1, done) * (total - done)
        say(f"{title}: {100 * done / max(1, total):.0f} %, {text + ', ' if text else ''}{left:.0f} s left")

    return tick
