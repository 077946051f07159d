"""How unusual each step of whole series is: scores of the windows around it, averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from torch import Tensor

from tacit import console, interrupt
from tacit.console import say
from tacit.core import Encoder
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError
from tacit.evaluation.forecasting import Span, carried
from tacit.proving.courses import Course, apart, open_course

Describe = Callable[[Tensor], Tensor]
"""Windows `[N, L, C]`, NaN where a value is missing -> what is compared of them, `[N, D]`."""
FIRST = (Fraction(3, 20), Fraction(3, 20))
"""Where what is taken for normal ends in a series that nobody has divided, as in NAB (Lavin and Ahmad 2015)."""
EVERY, FINE = 4, 16
"""A window begins every fourth of one; of what is taken for normal every sixteenth."""
MOST = 4_000
"""Windows that stand for what is normal at most, evenly spread."""
_BATCH = 256


@dataclass(frozen=True, eq=False)
class Whole:
    """One series of a course."""

    begin: int
    values: Tensor
    """`[T, C]`."""
    normal: list[Span]
    """Stretches of it that are taken for normal, counted from its own begin; none where others stand for it."""


def series_of(course: Course) -> Iterator[Whole]:
    """The series of `course`, one by one."""
    for begin, end in zip([0, *course.ends[:-1]], course.ends, strict=True):
        inside = [(a - begin, b - begin) for a, b in course.spans["train"] if begin <= a < end]
        yield Whole(begin, course.values[begin:end], inside)


def open_watched(encoder: TrainedEncoder, data: str, *, what: str, max_bad: float) -> tuple[Course, Dataset]:
    """The series of DATA, their training part being what is normal, by default the first 15 % of each.

    Raises as `open_course`, and `DataError` where nothing says what is normal.
    """
    course, dataset = open_course(encoder, data, what=what, max_bad=max_bad, shares=FIRST)
    if all(bool(course.values[begin:end].isnan().all()) for begin, end in course.spans["train"]):
        raise DataError(
            f"{printable(data)}: no value is taken for normal. That is what rows of the split train hold, or without a "
            "column `split` the first 15 % of each series"
        )
    length = encoder.layout.shape[0]
    short = sum(end - begin < length for begin, end in course.spans["train"])
    if short:
        say(
            f"note: what is taken for normal is shorter than a window of {length:,} steps in {short:,} of "
            f"{len(course.ends):,} series: their scores say little. Mark more as train, or train on shorter windows"
        )
    if not encoder.layout.in_pieces:
        say(
            f"note: windows are as long as the encoder's series, {length:,} steps: train on shorter "
            "ones, --set modality.window=64, to tell better when it was"
        )
    return course, dataset


def distances(course: Course, describe: Describe, length: int, title: str) -> Tensor:
    """Of each step, how far the windows of `length` steps around it lie from the nearest one that is taken for normal.

    Euclid's distance of what `describe` says of windows, averaged over the windows that hold the step: float64 `[T]`,
    NaN where none with any value does. What is normal is the training part of the same series, or where it has none
    that of all others.
    """
    common: list[Tensor] = []
    found = torch.full((len(course.values),), torch.nan, dtype=torch.float64)
    with console.progress(title, len(found)) as tick:
        for one in series_of(course):
            rows = _normal([one], length)
            if len(rows):
                normal = _described(describe, rows)
            else:
                common = common or [_described(describe, _normal(series_of(course), length))]
                normal = common[0]
            steps = len(one.values)
            starts = begins(steps, length, EVERY)
            starts, rows = _told(cut(one.values, starts, length), starts)
            near = [torch.cdist(_described(describe, some), normal).amin(1) for some in torch.split(rows, _BATCH)]
            found[one.begin : one.begin + steps] = averaged(torch.cat(near), starts, length, steps)
            tick(one.begin + steps)
    return found


def _told(rows: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
    """The windows with any value."""
    there = ~rows.isnan().flatten(1).all(1)
    return starts[there], rows[there]


def _normal(wholes: Iterable[Whole], length: int) -> Tensor:
    """Windows of the stretches that are taken for normal, `[M, L, C]`, at most `MOST`, evenly spread."""
    found = [torch.empty(0)]
    for one in wholes:
        for begin, end in one.normal:
            starts = _evenly(begins(end - begin, length, FINE))
            found.append(_told(cut(one.values[begin:end], starts, length), starts)[1])
    return _evenly(torch.cat(found))


def _evenly(rows: Tensor) -> Tensor:
    """At most `MOST` of them."""
    return rows[torch.linspace(0, len(rows) - 1, min(MOST, len(rows))).long()]


def _described(describe: Describe, rows: Tensor) -> Tensor:
    interrupt.check()
    return torch.cat([describe(some) for some in torch.split(rows, _BATCH)])


def begins(steps: int, length: int, parts: int) -> Tensor:
    """Where the windows of a series begin, one every `parts`-th of one; the last ends where the series does."""
    last = max(0, steps - length)
    return torch.tensor([*range(0, last, max(1, length // parts)), last])


def cut(values: Tensor, starts: Tensor, length: int) -> Tensor:
    """Windows `[N, L, C]` of `values [T, C]`, NaN behind the end."""
    padded = torch.cat([values, values.new_full((length, values.shape[1]), torch.nan)])
    return padded.unfold(0, length, 1)[starts].transpose(1, 2)


def averaged(scores: Tensor, starts: Tensor, length: int, steps: int) -> Tensor:
    """The mean of the `scores [N]` of the windows that hold each step, float64 `[T]`; NaN where none does."""
    each = torch.stack([scores.double(), torch.ones(len(scores), dtype=torch.float64)])
    change = torch.zeros(2, steps + length, dtype=torch.float64)
    change.index_add_(1, starts, each)
    change.index_add_(1, starts + length, -each)
    total, count = change.cumsum(1)[:, :steps]
    return torch.where(count > 0.5, total / count, torch.nan)


def by_encoder(network: Encoder, encoder: TrainedEncoder) -> Describe:
    """Windows by their pooled features; those of each channel behind each other where it reads each by itself."""
    read = TrainedEncoder(network, encoder.spec)

    def describe(rows: Tensor) -> Tensor:
        return read.vectors(read.modality.collate(apart(rows, read), read.layout)).view(len(rows), -1)

    return describe


def standardised(course: Course) -> Course:
    """The same course with every channel of every series about its mean in what is normal, in deviations there.

    A channel that does not move there is taken in units of its size. What is missing is as before it.
    """
    everything = torch.cat([course.values[begin:end] for begin, end in course.spans["train"]])
    found = []
    for one in series_of(course):
        normal = torch.cat([one.values[begin:end] for begin, end in one.normal]) if one.normal else everything
        normal = normal.double()
        mean, size = normal.nanmean(0).nan_to_num(), normal.nan_to_num().abs().amax(0)
        deviation = (normal - mean).square().nanmean(0).sqrt().nan_to_num()
        unit = torch.where(deviation > 1e-6 * size, deviation, torch.where(size > 0, size, 1.0))
        found.append((one.values - mean) / unit)
    values = torch.cat(found).float()
    return replace(course, values=carried(values, course.begins))


def over_windows(course: Course, scores: Tensor, length: int) -> Tensor:
    """`scores [T]` of steps averaged over each window, and these over the windows that hold each step."""
    found = torch.empty(len(scores), dtype=torch.float64)
    for one in series_of(course):
        steps = len(one.values)
        starts, own = begins(steps, length, EVERY), scores[one.begin : one.begin + steps, None].double()
        found[one.begin : one.begin + steps] = averaged(
            cut(own, starts, length)[..., 0].nanmean(1), starts, length, steps
        )
    return found


def level(course: Course, length: int) -> Tensor:
    """How far values lie from the mean of what is normal, in deviations, root mean square over channels: `[T]`."""
    return over_windows(course, course.values.square().mean(1).sqrt(), length)


def changes(course: Course, length: int) -> Tensor:
    """The same of the differences from step to step."""
    steps = course.values.diff(dim=0, prepend=course.values[:1])
    first = course.begins == torch.arange(len(steps))
    return level(standardised(replace(course, values=steps.masked_fill(first[:, None], 0.0))), length)
