"""What follows from an inspection, whatever the data are: a sentence each, with its reason."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tacit.console import counted
from tacit.report.inspection import BUDGET, Inspection

FEW = 1_000
"""Samples for training from which on nothing is said. Measured by kNN on CIFAR-10: 38,000 views of 100 images give
.481, of 10,000 images .501; 13,000 views of 100, 300, 1,000 and 10,000 give .467, .461, .465 and .457; untrained .317.
"""
SHOWN, ENOUGH = 50_000, 192_000
"""Views of samples that are few, and that were enough for .638 on CIFAR-10."""
UNBALANCED = 10
"""Largest class to smallest: from here on accuracy says little of the smallest one."""
LABELS = 10
"""Samples a class from which the verdict of `tacit evaluate` is drawn."""
DUPLICATED = 0.05
"""Share of duplicates from which a set is clearly smaller than it looks."""
ALLOWED_BAD = 0.01
"""The share of unreadable samples that training accepts where nothing else is said."""
WIDE = 0.05
"""Half the width of an accuracy's interval from which a test part is called small: most gains are no larger."""
SMALL_BOXES = 0.25
"""Share of small boxes that a detector would miss."""
TIGHT = 0.8
"""Share of the memory from which it is called scarce."""


def general(seen: Inspection) -> Iterator[str]:
    """Advice that needs no knowledge of the modality, gravest first."""
    yield from _readable(seen)
    yield from _twins(seen)
    yield from _amount(seen)
    yield from _labels(seen)
    yield from _drawn(seen)
    yield from _split(seen)
    yield from _cost(seen)


def _readable(seen: Inspection) -> Iterator[str]:
    total = seen.wholes + len(seen.unreadable)
    share = len(seen.unreadable) / total
    if share > ALLOWED_BAD:
        allow = math.ceil(100 * share) / 100
        yield (
            f"{share:.1%} of the files cannot be read, and training stops above {ALLOWED_BAD:.0%}: repair or remove "
            f"them, or --max-bad {allow:.2f}"
        )


def _twins(seen: Inspection) -> Iterator[str]:
    twins = seen.twins
    sure = "where they are copies, and not merely alike, " if twins.near else ""
    if twins.leaks:
        yield (
            f"{_many(twins.leaks, 'group of duplicates lies', 'groups of duplicates lie')} in more than one part"
            f"{f'; {sure}' if sure else ', so '}figures on the test part flatter: `tacit duplicates {seen.data}` lists "
            "them"
        )
    if twins.conflicts:
        yield (
            f"{_many(twins.conflicts, 'group of duplicates stands', 'groups of duplicates stand')} under more than one "
            f"class: {sure}at most one of the labels is right"
        )
    surplus = twins.exact + twins.near
    if surplus > DUPLICATED * seen.samples:
        merely = f", {twins.near / seen.samples:.0%} only nearly so" if twins.near else ""
        yield (
            f"{surplus / seen.samples:.0%} of the samples are duplicates of others{merely}: {sure}the set is worth "
            f"{seen.samples - surplus:,} {seen.unit}, not {seen.samples:,}"
        )


def _amount(seen: Inspection) -> Iterator[str]:
    count = seen.parts.get("train", 0)
    photographs = seen.unit == "images"  # of nothing else is it known how much is little
    if count < FEW:
        few = f"{counted(count, seen.unit)} for training {'is' if count == 1 else 'are'} few"
        shown_by = " (simclr on 100 images of CIFAR-10: kNN .48, on 10,000 .50, untrained .32)" if photographs else ""
        yield (
            f"{few}. A short run may help all the same{shown_by}; "
            "compare it with weights learnt elsewhere (--init-from)"
        )
    cost = seen.cost if photographs else None
    shown = cost.epochs * count if cost is not None and cost.epochs is not None else 0
    if cost is not None and 0 < shown < SHOWN:
        minutes = ENOUGH / shown * BUDGET / 60
        yield (
            f"in ten minutes {cost.method} sees {shown:,.0f} samples, which is little (simclr on CIFAR-10: kNN .46 "
            f"after 13,000, .50 after 38,000, .64 after {ENOUGH:,}): --time {_time(minutes)}, smaller samples, or a GPU"
        )


def _time(minutes: float) -> str:
    return f"{10 * math.ceil(minutes / 10)}m" if minutes < 120 else f"{math.ceil(minutes / 60)}h"


def _labels(seen: Inspection) -> Iterator[str]:
    counts = seen.counts
    if not counts:
        if not seen.drawn and seen.labelled:
            yield (
                "no labels: training needs none, but to know whether it helped takes some; `tacit select` says which "
                "samples to label first"
            )
        return
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if len(counts) == 1:
        yield f"there is one class, {most}: `tacit evaluate` has nothing to tell apart"
        return
    if counts[most] >= UNBALANCED * max(1, counts[least]):
        yield (
            f"classes are unbalanced 1 : {counts[most] / max(1, counts[least]):.0f} ({least} {counts[least]:,}, {most} "
            f"{counts[most]:,}): to say {most} of everything is right {counts[most] / sum(counts.values()):.0%} of the "
            "time, which is what an accuracy has to be compared with"
        )
    for part, use in (("train", "learn from"), ("test", "test on")):
        absent = [name for name, count in seen.classes.get(part, {}).items() if not count]
        if absent:
            shown = ", ".join(absent[:5]) + (", ..." if absent[5:] else "")
            yield f"no sample to {use} of {shown}: `tacit evaluate` leaves such classes out"
    train = {name: count for name, count in seen.classes.get("train", {}).items() if count}
    rarest = min(train, key=train.__getitem__, default=None)
    if rarest is not None and train[rarest] < LABELS:
        yield (
            f"{rarest} has {train[rarest]} labelled samples for training: few-label figures stop at that many a class; "
            "label more of it, or leave it out"
        )


def _drawn(seen: Inspection) -> Iterator[str]:
    for drawn in seen.drawn:
        if drawn.small is not None and drawn.small > SMALL_BOXES:
            yield (
                f"{drawn.small:.0%} of the boxes are under 8 cells wide once packed, two cells of the finest maps that "
                "a detector reads: pack larger samples (--set modality.size=...)"
            )
        if not drawn.named:
            yield (
                f"the masks do not say what their classes are called, so results speak of {next(iter(drawn.classes))}: "
                "put a classes.txt into the data's folder, a name a line, the first one for the value 0; or, where "
                "masks hold colours, a colours.csv with the columns name,r,g,b"
            )


def _split(seen: Inspection) -> Iterator[str]:
    tested = sum(seen.classes.get("test", {}).values())
    half = 0.98 / math.sqrt(tested) if tested else 0.0
    if half >= WIDE:
        yield (
            f"{tested:,} labelled samples for testing: an accuracy near one half is known to {100 * half:.0f} points "
            "either way (95 %)"
        )
    ungrouped = seen.groups is None and seen.folds is None and "group" not in seen.protocol
    if seen.labelled and ungrouped and "by hash" in seen.protocol:
        yield (
            "the data bring no split, so a fifth is tested by hash: where several samples are of one person, place or "
            "video, or nearly alike, give a CSV with a `group` column, or they stand on both sides"
        )
    if seen.folds is not None:
        yield f"the data bring {seen.folds:,} folds: `tacit evaluate ENCODER DATA --leave-out fold` tests each in turn"


def _cost(seen: Inspection) -> Iterator[str]:
    cost = seen.cost
    if cost is not None and cost.memory > TIGHT * cost.available:
        yield (
            f"training takes {cost.memory / 2**30:.1f} of {cost.available / 2**30:.1f} GiB: a smaller --batch, or "
            "--set chunk=64"
        )


def _many(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"
