"""What stands in gaps of series, told from both sides by one linear map: `--task imputation`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from tacit import interrupt
from tacit.core import Encoder
from tacit.data.listing import printable
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError
from tacit.evaluation import imputation as rules
from tacit.evaluation.bench import Kind
from tacit.evaluation.features import must_be_finite
from tacit.evaluation.forecasting import carried, in_blocks
from tacit.evaluation.resampled import Resampled, compare
from tacit.evaluation.verdict import Verdict
from tacit.proving.courses import Course, Rows, in_deviations, open_course
from tacit.proving.fitting import UNTRAINED, untrained
from tacit.proving.forecasting import acquaintance
from tacit.proving.gaps import tokens_in_gaps
from tacit.proving.moments import steps_of_a_token
from tacit.proving.outcome import Proof, name_of

TASK = "imputation"
METRICS = ("MSE", "MAE")
SHARES = (0.125, 0.25, 0.5)
"""Of the values that are hidden."""
REACH = 12
"""Steps to each side that a ridge on neighbours reads."""


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be filled."""

    course: Course
    values: Tensor
    """Float32 `[T, C]`, in deviations, the channels that move in training."""
    moves: Tensor
    """Boolean `[C']`, which of all channels these are."""
    hide: Tensor
    """Boolean `[T, C]`, the values that are hidden."""
    steps: int
    """That make a token."""

    @property
    def seen(self) -> Tensor:
        """`values`, NaN where hidden or missing."""
        return self.values.masked_fill(self.hide, torch.nan)


Fill = Callable[[Task], Tensor]
"""What is said of all values, `[T, C]`; those that are hidden count."""


@dataclass(frozen=True, eq=False)
class Row:
    """One way to fill gaps, fitted `len(fills)` times."""

    name: str
    kind: Kind
    fills: list[Fill]


def imputation(encoder: TrainedEncoder, data: str, *, seed: int = 0, max_bad: float = 0.01) -> Proof:
    """Judge `encoder` by what its tokens say of values that are hidden from it, on the test part, beside its floors.

    An eighth, a quarter and a half of all values are hidden in runs of three steps on average; a ridge regression leads
    from the token of a step, made without them, to each that is hidden there. It is fitted to what is hidden in the
    training part, its penalty chosen on the validation part. Values are standardised by the training part; what is
    missing in the data stays so and counts nowhere. Floors: untrained networks, a ridge on the values around, the
    straight line, the last value, the mean. Raises `UsageError` where there are no tokens, `DataError` where series are
    too short.
    """
    course, dataset = open_course(encoder, data, what=f"--task {TASK}", max_bad=max_bad)
    with interrupt.listening():
        values, moves = in_deviations(course, printable(data))
        steps = steps_of_a_token(encoder)
        rows, deciding = list(_rows(encoder, course)), {}
        found: list[Resampled] = []
        for share in SHARES:
            task = Task(course, values, moves, rules.hidden(~values.isnan(), share, seed=seed), steps)
            words = f"{100 * share:g} % hidden"
            deciding[f"MSE, {words}"] = f"{100 * share:g} % of the values hidden"
            protocol = {
                "data": dataset.name,
                "content_hash": dataset.content_hash,
                "split": course.protocol,
                "scaler": "mean and deviation of the training part, channel by channel",
                "hidden": f"{share:g} of the values, in runs of {rules.RUN} steps on average, channel by channel",
                "seed": seed,
            }
            for row in rows:
                found += _measured(row, task, words, encoder.layout.shape[0], protocol, printable(data))
        judged = compare(TASK, found, deciding, seed=seed)
        assert judged.verdict is not None
        said = f"{judged.verdict.sentence} {acquaintance(encoder, dataset, course)}"
        return Proof(replace(judged, verdict=Verdict(judged.verdict.helped, said)), dataset, encoder, TASK)


def _rows(encoder: TrainedEncoder, course: Course) -> Iterator[Row]:
    def by(network: Encoder, title: str) -> Fill:
        own = TrainedEncoder(network, encoder.spec)

        def fill(task: Task) -> Tensor:
            hide = torch.zeros(task.course.values.shape, dtype=torch.bool)
            hide[:, task.moves] = task.hide
            tokens = tokens_in_gaps(own, task.course, hide, task.steps, title)
            must_be_finite(tokens.flatten(1), title)
            return fitted(task, tokens[:, task.moves] if tokens.shape[1] > 1 else tokens)

        return fill

    yield Row(name_of(encoder), "encoder", [by(encoder.network, "tokens")])
    samples = Rows.of(course, encoder)
    fresh = [by(untrained(encoder, samples, number), "tokens, untrained") for number in range(UNTRAINED)]
    yield Row("untrained", "untrained", fresh)
    yield Row("ridge on neighbours", "raw", [_neighbours])
    yield Row("straight line", "raw", [lambda task: rules.line(task.seen, task.course.ends)])
    yield Row("last value", "raw", [lambda task: carried(task.seen, task.course.begins)])
    yield Row("mean", "raw", [lambda task: torch.zeros_like(task.values)])


def _neighbours(task: Task) -> Tensor:
    """By a ridge on the values around, straight lines being drawn through those that are hidden."""
    lengths = torch.tensor(task.course.ends).diff(prepend=torch.zeros(1, dtype=torch.long))
    ends = torch.tensor(task.course.ends).repeat_interleave(lengths)
    return fitted(
        replace(task, steps=1),
        rules.around(rules.line(task.seen, task.course.ends), task.course.begins, ends, REACH),
    )


def fitted(task: Task, features: Tensor) -> Tensor:
    """What ridge regressions on `features [T, K, D]` say of the hidden values, `[T, C]`, 0 elsewhere: one for each
    channel and each place of a step in its token. K is C, or 1 where channels share what is told of a step."""
    found = torch.zeros_like(task.values)
    part = torch.full((len(found),), -1)
    for number, name in enumerate(("train", "val", "test")):
        for begin, end in task.course.spans[name]:
            part[begin:end] = number
    place = (torch.arange(len(found)) - task.course.begins) % task.steps
    for channel in range(found.shape[1]):
        own = features[:, channel if features.shape[1] > 1 else 0]
        for step in range(task.steps):
            interrupt.check()
            rows = (task.hide[:, channel] & (place == step) & (part >= 0)).nonzero().flatten()
            train, val = ((part[rows] == number).nonzero().flatten() for number in (0, 1))
            if len(train) and len(val):
                found[rows, channel] = rules.answers(own[rows], task.values[rows, channel], train, val)
    return found


def _measured(
    row: Row, task: Task, words: str, block: int, protocol: Mapping[str, Any], title: str
) -> Iterator[Resampled]:
    """Both metrics of a row, on the test part and on resampled blocks of it."""
    spans = task.course.spans["test"]
    sizes = [end - begin for begin, end in spans]
    values: dict[str, list[Tensor]] = {metric: [] for metric in METRICS}
    draws: dict[str, list[Tensor]] = {metric: [] for metric in METRICS}
    for fill in row.fills:
        off = torch.where(task.hide, fill(task) - task.values, 0.0).double()
        each = torch.stack([off.square().sum(1), off.abs().sum(1), task.hide.double().sum(1)])
        sums = torch.cat([each[:, begin:end] for begin, end in spans], dim=1)
        if not bool(sums[2].sum()):
            raise DataError(f"{title} is too short: nothing of its test part is hidden")
        again = in_blocks(sums, sizes, block, seed=protocol["seed"])
        for metric, own, drawn in zip(METRICS, sums[:2], again[:2], strict=True):
            values[metric].append(own.sum() / sums[2].sum())
            draws[metric].append(drawn / again[2].clamp_min(1))
    blocks = sum(-(-size // block) for size in sizes)
    facts = {
        **protocol,
        "asked": int(sums[2].sum()),
        "blocks": blocks,
        "bootstrap": f"circular block bootstrap over {blocks} blocks",
    }
    for metric in METRICS:
        yield Resampled(
            row.name, row.kind, f"{metric}, {words}", torch.stack(values[metric]), torch.stack(draws[metric]), facts
        )
