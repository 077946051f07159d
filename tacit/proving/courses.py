"""Series as they run through time: whole, in parts that follow each other, for what is learnt on the past alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from tacit import interrupt
from tacit.console import say
from tacit.core import Draws, View
from tacit.data.dataset import Dataset, of_source, opened
from tacit.data.listing import PARTS, Longs, Source, printable
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError, UsageError
from tacit.evaluation.features import SAMPLE
from tacit.evaluation.forecasting import Span, origins

SHARES = (Fraction(3, 5), Fraction(4, 5))
"""Where training and validation end in a series that nobody has divided."""
MOST = 2_000_000
"""Steps of all series together."""
_WHOLES = 5
"""Series for training from which on whole ones are held out for validation."""


@dataclass(frozen=True, eq=False)
class Course:
    """Series one behind the other, T steps of C channels."""

    values: Tensor
    """Float32 `[T, C]`, as they are in the data, NaN where missing."""
    begins: Tensor
    """Long `[T]`, where the series of each step begins."""
    ends: Sequence[int]
    """Where each series ends."""
    spans: Mapping[str, Sequence[Span]]
    """`train`, `val`, `test` -> stretches of time."""
    protocol: str
    """How it was divided, in words."""
    given: bool
    """Whether the data say so themselves."""
    source: Source
    pieces: Sequence[tuple[int, Span]]
    """Rows of the source, and the steps that are theirs."""
    marks: Tensor | None
    """Boolean `[T]`, which steps are marked as anomalies; None where the data do not say."""

    def origins(self, part: str, horizon: int) -> Tensor:
        """The steps, long, from which forecasts start whose `horizon` steps all lie in one stretch of `part`."""
        return origins(self.spans[part], self.begins, horizon)


def in_deviations(course: Course, title: str) -> tuple[Tensor, Tensor]:
    """The values about the mean of the training part, in deviations there, float32 `[T, C]`, and which of all channels
    these are, boolean `[C']`: those that change there.

    Raises `DataError` where there is no step to learn from, none does, or a part has no value of those that do.
    """
    if not any(end > begin for begin, end in course.spans["train"]):
        raise DataError(
            f"{title}: no step is left to learn from ({course.protocol}): give longer series, or more for training"
        )
    train = torch.cat([course.values[begin:end] for begin, end in course.spans["train"]]).double()
    mean = train.nanmean(0)
    deviation = (train - mean).square().nanmean(0).sqrt()
    moves = deviation > 1e-6 * train.nan_to_num().abs().amax(0)
    if not bool(moves.all()):
        numbers = ", ".join(str(int(at) + 1) for at in (~moves).nonzero().flatten()[:10])
        if not bool(moves.any()):
            raise DataError(f"{title}: no channel changes in the training part, so there is nothing to foretell")
        say(f"note: channels that never change in the training part are not foretold: {numbers} (counted from 1)")
    values = ((course.values.double() - mean) / deviation)[:, moves].float()
    for part in ("val", "test"):
        if all(bool(values[begin:end].isnan().all()) for begin, end in course.spans[part]):
            raise DataError(f"{title}: the {part} part has no value of a channel that changes in the training part")
    return values, moves


@dataclass(frozen=True, eq=False)
class Rows:
    """The training stretches of a course in rows as an encoder packs them; implements `Samples`."""

    packed: Tensor
    """Float32 `[N, L, C]`, NaN behind the end."""
    encoder: TrainedEncoder

    @classmethod
    def of(cls, course: Course, encoder: TrainedEncoder) -> Rows:
        """At most `SAMPLE` of them, evenly spread."""
        length = encoder.layout.shape[0]
        starts = [
            (at, min(at + length, end)) for begin, end in course.spans["train"] for at in range(begin, end, length)
        ]
        some = [starts[at] for at in np.unique(np.linspace(0, len(starts) - 1, SAMPLE).astype(np.int64))]
        packed = torch.full((len(some), length, course.values.shape[1]), torch.nan)
        for row, (begin, end) in enumerate(some):
            packed[row, : end - begin] = course.values[begin:end]
        return cls(apart(packed, encoder), encoder)

    def __len__(self) -> int:
        return len(self.packed)

    def later(self, rows: Tensor) -> Tensor:
        """`rows` themselves: nobody learns from these, and asks what comes next."""
        return rows

    def alike(self, view: View, draws: Draws) -> View:
        """`view` itself, for the same reason."""
        return view

    def view(self, rows: Tensor) -> View:
        """The plain view of `rows`, long `[B]`."""
        view: View = self.encoder.modality.collate(self.packed[rows], self.encoder.layout)
        return replace(view, index=rows)


def apart(x: Tensor, encoder: TrainedEncoder) -> Tensor:
    """Steps `[B, L, C]` as `encoder` reads them: `[B C, L, 1]`, a channel by itself, where it knows one alone."""
    return x if encoder.layout.shape[1] == x.shape[2] else x.transpose(1, 2).reshape(-1, x.shape[1], 1)


def open_course(
    encoder: TrainedEncoder, data: str, *, what: str, max_bad: float, shares: tuple[Fraction, Fraction] = SHARES
) -> tuple[Course, Dataset]:
    """The series of DATA, whole, and the data set that they are.

    Parts are those that the source gives to its samples, or to stretches of them; else each series is divided by time,
    at `shares` of it: by default three fifths for training, a fifth for validation, a fifth for testing. A validation
    part that `shares` ask for and the source does not have is the last fifth of training. Raises as `open_dataset`,
    `UsageError` where samples are no series, which `what` asks for, and `DataError` where there are too many steps or
    parts are not in the order of time.
    """
    modality = encoder.modality
    if modality.steps is None:
        raise UsageError(f"{what} is about series of steps, and this encoder reads {modality.unit}")
    with interrupt.listening():
        source = opened(data, modality, encoder.layout)
        dataset = replace(_dataset(encoder, source, max_bad), name=data)
        for note in source.notes:
            say(f"note: {note}")
        part_of = _parts(source, dataset)
        held: list[_Held] = []
        total = 0
        for rows in _series(source, dataset):
            interrupt.check()
            steps = [modality.steps(source.raw(row)) for row in rows]
            total += sum(map(len, steps))
            if total > MOST:
                raise DataError(f"{printable(data)} holds more than {MOST:,} steps: give some of the series at a time")
            held.append((rows, steps, None if part_of is None else [int(part_of[row]) for row in rows]))
        course = _course(source, held, shares, printable(data))
    return course, replace(dataset, protocol=course.protocol, parts={})


def _dataset(encoder: TrainedEncoder, source: Source, max_bad: float) -> Dataset:
    """As the encoder was trained, or where it knows one channel and there are several, as the data ask for."""
    modality = encoder.modality
    own = of_source(source, modality, modality.config(), max_bad=max_bad)
    known, given = encoder.layout.shape[1], own.layout.shape[1]
    if known == 1 < given:
        return own
    if known != given:
        raise UsageError(
            f"the encoder reads {known} channels, and {printable(source.title)} has {given}: give series of as many, "
            "or an encoder that was trained on one channel, which then reads each by itself"
        )
    return of_source(source, modality, modality.config(), encoder.layout, max_bad=max_bad)


def _series(source: Source, dataset: Dataset) -> Iterator[Sequence[int]]:
    """The rows of the source that are one series, in the order of time, of those that can be read."""
    kept = np.unique(dataset.everything().source_rows)
    whole = kept if source.stretches is None else source.stretches[kept]
    order = np.argsort(whole, kind="stable")
    for rows in np.split(kept[order], np.flatnonzero(np.diff(whole[order])) + 1):
        yield rows.tolist()


def _parts(source: Source, dataset: Dataset) -> Longs | None:
    """`[N]` over the source: places in `PARTS`, -1 for none; None where the source says nothing."""
    if source.splits is None or not (source.splits > 0).any():
        return None
    found = np.full(len(source), -1, np.int64)
    rows = dataset.everything().source_rows
    for name, chosen in dataset.parts.items():
        found[rows[chosen]] = PARTS.index(name)
    return found


_Held = tuple[Sequence[int], Sequence[np.ndarray], Sequence[int] | None]
"""Of one series the rows of the source, their steps, and their places in `PARTS`."""


def _course(source: Source, held: Sequence[_Held], shares: tuple[Fraction, Fraction], title: str) -> Course:
    spans: dict[str, list[Span]] = {part: [] for part in PARTS}
    begins, ends, at = [], [], 0
    values: list[np.ndarray] = []
    pieces: list[tuple[int, Span]] = []
    for rows, steps, parts in held:
        length = sum(map(len, steps))
        begins.append(torch.full((length,), at))
        values += steps
        inner = np.cumsum([at, *map(len, steps)]).tolist()
        pieces += zip(rows, pairwise(inner), strict=True)
        if parts is None:
            first, second = (int(share * length) for share in shares)
            cuts = [(0, first, 0), (first, second, 1), (second, length, 2)]
        else:
            cuts = [(begin - at, end - at, part) for (begin, end), part in zip(pairwise(inner), parts, strict=True)]
            told = [part for part in parts if part >= 0]
            if told != sorted(told):
                raise DataError(
                    f"{title}: parts of a series are in the order {', '.join(PARTS[part] for part in told)}: what is "
                    "learnt from has to lie before what is foretold"
                )
        for begin, end, part in cuts:
            if part >= 0 and end > begin:
                spans[PARTS[part]].append((at + begin, at + end))
        at += length
        ends.append(at)
    given = any(parts is not None for *_, parts in held)
    sizes = [100 * share for share in (shares[0], shares[1] - shares[0], 1 - shares[1])]
    shown = ", ".join(f"{float(size):g} % {part}" for size, part in zip(sizes, PARTS, strict=True) if size)
    how = "split as the source gives it" if given else f"each series by time, {shown}"
    if shares[1] > shares[0] and not spans["val"]:
        spans["train"], spans["val"] = _held_out(spans["train"])
        how += ", val the last fifth of train"
    counts = ", ".join(f"{part} {sum(end - begin for begin, end in spans[part]):,}" for part in PARTS if spans[part])
    found = torch.from_numpy(np.concatenate(values).astype(np.float32))
    marks = None if source.marks is None else torch.from_numpy(np.concatenate([source.marks(row) for row, _ in pieces]))
    return Course(found, torch.cat(begins), ends, spans, f"{how}: {counts} steps", given, source, pieces, marks)


def _held_out(train: Sequence[Span]) -> tuple[list[Span], list[Span]]:
    """Training and validation: the last fifth of the stretches, or of each where they are few."""
    if len(train) >= _WHOLES:
        kept = len(train) * 4 // 5
        return list(train[:kept]), list(train[kept:])
    cuts = [(begin, begin + (end - begin) * 4 // 5, end) for begin, end in train]
    return [(begin, cut) for begin, cut, _ in cuts], [(cut, end) for _, cut, end in cuts]
