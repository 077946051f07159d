"""What is known of a data set before training, and its words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tacit.console import counted

BUDGET = 600.0
"""Seconds of training that the estimate is made for: the default budget."""
_LABEL = 12
_SHOWN = 12
_EXAMPLES = 3


@dataclass(frozen=True)
class Spread:
    """A number that varies from sample to sample."""

    lowest: float
    median: float
    highest: float


@dataclass(frozen=True)
class Drawn:
    """What people drew on samples."""

    kind: str
    """`boxes`, `masks`, `tags` or `transcripts`."""
    samples: int
    """How many samples are annotated."""
    read: int
    """How many annotations the figures below are from."""
    unreadable: int
    classes: Mapping[str, float]
    """Boxes or spans a class; times that a letter is said; or the share of all cells of masks that a class covers."""
    small: float | None
    """The share of boxes whose shorter side is under 8 cells once packed; None for masks."""
    named: bool = True
    """Whether the data say what the classes are called; if not, masks are known by their values or colours."""


@dataclass(frozen=True)
class Twins:
    """Duplicates, as counts of samples that could go, and of groups."""

    measure: str
    """How near ones were sought: `hash`, or `values` where they were not."""
    exact: int
    near: int
    leaks: int
    """Groups that lie in more than one part."""
    conflicts: int
    """Groups that stand under more than one class."""
    examples: tuple[str, ...]
    """Names of the members of the gravest group."""


@dataclass(frozen=True)
class Cost:
    """What training would take on this machine, by a trial."""

    method: str
    encoder: str
    parameters: int
    device: str
    seconds: float
    """An epoch; or the whole run of a method without gradients."""
    step: float | None
    """Seconds an optimiser step; None where there are none."""
    batch: int
    epochs: float | None
    """In `BUDGET` seconds, looks at health and checkpoints included."""
    memory: int
    """Bytes at the peak of the trial, the program itself included."""
    available: int
    """Bytes that the device has."""


@dataclass(frozen=True)
class Inspection:
    """A data set before training."""

    data: str
    unit: str
    sources: str
    """What was taken to pieces is called."""
    samples: int
    """How many can be read."""
    wholes: int
    """How many they were before some were taken to pieces."""
    unreadable: tuple[tuple[str, str], ...]
    """(name, reason) of those that cannot."""
    parts: Mapping[str, int]
    protocol: str
    classes: Mapping[str, Mapping[str, int]]
    """Part -> class -> samples; a part without labels is empty."""
    unlabelled: int
    groups: int | None
    folds: int | None
    layout: Mapping[str, Any]
    looked_at: int
    """How many samples `facts` are from."""
    facts: Mapping[str, Mapping[str, int] | Spread]
    drawn: tuple[Drawn, ...]
    twins: Twins
    cost: Cost | None
    notes: tuple[str, ...]
    labelled: bool = True
    """Whether encoders of such data are judged by labels."""
    advice: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Class -> samples over all parts, most frequent first."""
        total: dict[str, int] = {}
        for part in self.classes.values():
            for name, count in part.items():
                total[name] = total.get(name, 0) + count
        return dict(sorted(total.items(), key=lambda pair: -pair[1]))

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)


def text(seen: Inspection, width: int = 100) -> str:
    """The inspection for the terminal: facts, then advice, in lines of at most `width` characters."""
    lines, rows = [_headline(seen), ""], list(_rows(seen))
    room = max(_LABEL, 2 + max(len(label) for label, _ in rows))
    for label, words in rows:
        body = textwrap.wrap(words, width - room, break_long_words=False, break_on_hyphens=False) or [""]
        lines += [f"{label if at == 0 else '':{room}}{line}" for at, line in enumerate(body)]
    lines.append("")
    for sentence in seen.advice or ("nothing stands in the way of training",):
        lines += textwrap.wrap(
            sentence, width, initial_indent="- ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    return "\n".join(lines) + "\n"


def _headline(seen: Inspection) -> str:
    counts = seen.counts
    classes = f", {len(counts):,} classes" if counts else ", no labels"
    lost = f", {len(seen.unreadable):,} unreadable" if seen.unreadable else ""
    called = "pieces" if seen.sources == seen.unit else seen.unit
    pieces = f" in {seen.samples:,} {called}" if seen.wholes < seen.samples else ""
    return f"{seen.data}: {counted(seen.wholes, seen.sources)}{pieces}{classes}{lost}"


def _rows(seen: Inspection) -> Iterable[tuple[str, str]]:
    yield "parts", seen.protocol
    counts = seen.counts
    if counts:
        without = f"; {seen.unlabelled:,} without a label" if seen.unlabelled else ""
        yield "classes", f"{_listed(counts)}{without}"
    if seen.groups is not None:
        yield "groups", f"{seen.groups:,}"
    if seen.folds is not None:
        yield "folds", f"{seen.folds:,}"
    for name, fact in seen.facts.items():
        yield name, _spread(fact) if isinstance(fact, Spread) else _counted(fact)
    if seen.facts and seen.looked_at < seen.wholes:
        yield "", f"(these from {seen.looked_at:,} of the {seen.wholes:,})"
    yield "packed as", ", ".join(f"{name} {value}" for name, value in seen.layout.items())
    for number, (name, reason) in enumerate(seen.unreadable[:_EXAMPLES]):
        yield "" if number else "unreadable", f"{name}: {reason}"
    if len(seen.unreadable) > _EXAMPLES:
        yield "", f"... and {len(seen.unreadable) - _EXAMPLES:,} more (--json lists all)"
    yield "duplicates", _twins(seen.twins)
    for drawn in seen.drawn:
        yield drawn.kind, _drawn(drawn)
    if seen.cost is not None:
        yield seen.cost.method, _cost(seen.cost)
    for number, note in enumerate(seen.notes):
        yield "" if number else "notes", note


def _listed(counts: Mapping[str, int]) -> str:
    """Names with their counts, the largest first; the middle is left out where there are many."""
    ranked = sorted(counts.items(), key=lambda pair: -pair[1])
    half = _SHOWN // 2
    many = len(ranked) > _SHOWN
    most, least = ranked[0][1], ranked[-1][1]
    if most == least:
        names = [name for name, _ in ranked]
        return f"{most:,} each of {', '.join([*names[:half], '...', *names[-half:]] if many else names)}"
    shown = [f"{name}: {count:,}" for name, count in ranked]
    return ", ".join([*shown[:half], f"... {len(shown) - 2 * half:,} more ...", *shown[-half:]] if many else shown)


def _counted(counts: Mapping[str, int]) -> str:
    return _listed(counts) if len(counts) > 1 else f"all {next(iter(counts))}"


def _spread(spread: Spread) -> str:
    lowest, median, highest = map(_number, (spread.lowest, spread.median, spread.highest))
    return f"all {median}" if spread.lowest == spread.highest else f"{median} (median), {lowest} to {highest}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.2f}"


def _twins(twins: Twins) -> str:
    sought = {"values": "near ones were not sought"}.get(twins.measure, f"{twins.near:,} near")
    found = f"{twins.exact:,} exact, {sought}"
    found += f"; groups across parts: {twins.leaks:,}" if twins.leaks else ""
    found += f"; groups under two classes: {twins.conflicts:,}" if twins.conflicts else ""
    return f"{found}, such as {' = '.join(twins.examples)}" if twins.examples else found


def _drawn(drawn: Drawn) -> str:
    if drawn.kind == "boxes":
        counts = {name: int(count) for name, count in drawn.classes.items()}
        total = sum(counts.values())
        words = f"{total:,} on {drawn.read:,} samples, {_listed(counts)}"
        words += f"; {drawn.small:.0%} under 8 cells wide once packed" if drawn.small is not None else ""
    elif drawn.kind in ("tags", "transcripts"):
        counts = {name: int(count) for name, count in drawn.classes.items()}
        what = "spans in" if drawn.kind == "tags" else "letters in"
        words = f"{sum(counts.values()):,} {what} {drawn.read:,} of {drawn.samples:,} samples, {_listed(counts)}"
    else:
        shares = sorted(drawn.classes.items(), key=lambda pair: -pair[1])
        words = f"share of all cells, from {drawn.read:,}: " + ", ".join(
            f"{name} {share:.1%}" for name, share in shares
        )
        words += "" if drawn.named else "; what they are called is not known"
    return words + (f"; {drawn.unreadable:,} unreadable" if drawn.unreadable else "")


def _cost(cost: Cost) -> str:
    size = f"{cost.parameters / 1e6:.1f} million" if cost.parameters >= 100_000 else f"{cost.parameters:,}"
    network = f"{cost.encoder}, {size} parameters, on {cost.device}"
    memory = f"about {cost.memory / 2**30:.1f} GiB of memory"
    if cost.step is None or cost.epochs is None:
        return f"{network}: about {_duration(cost.seconds)} for the whole run, {memory}"
    return (
        f"{network}: {cost.step:.3g} s a step of {cost.batch}, {_duration(cost.seconds)} an epoch; ten minutes are "
        f"{cost.epochs:,.{0 if cost.epochs >= 10 else 1}f} epochs, 100 epochs {_duration(100 * cost.seconds)}; {memory}"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
