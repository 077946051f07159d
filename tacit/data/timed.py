"""Series by their times: what their files say of them, and rows at even steps."""

from __future__ import annotations

from dataclasses import replace

from tacit.data.listing import Source
from tacit.modalities.grid import Even, Every
from tacit.modalities.steps import even, written_times


def timed(source: Source, every: str | None) -> Source:
    """The same series, their times told; where `every` says how far steps are apart (`grid.Every`), at even steps.

    A sample that has no times is then unreadable, and says so.
    """
    if source.even is not None:
        return source if every is None else source.even(every)
    if every is None:
        return replace(source, times=lambda row: written_times(source.raw(row)))
    step = Every.of(every)

    def read(row: int) -> Even:
        return even(source.raw(row), step)

    return replace(
        source,
        read=lambda row: read(row).values,
        times=lambda row: read(row).times(),
        fingerprint=evenly(source.fingerprint, step),
    )


def evenly(fingerprint: str, every: Every) -> str:
    """The fingerprint of a source whose rows are brought to steps of `every`."""
    return f"{fingerprint} every {every}"
