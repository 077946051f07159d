"""How well tokens that see no future foretell it, by one linear map a horizon: `--task forecast`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from tacit import interrupt
from tacit.console import say
from tacit.core import Encoder
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError
from tacit.evaluation import forecasting as rules
from tacit.evaluation.bench import Kind
from tacit.evaluation.features import must_be_finite
from tacit.evaluation.forecasting import Forecaster
from tacit.evaluation.resampled import Resampled, compare
from tacit.evaluation.verdict import Verdict
from tacit.proving.courses import Course, Rows, in_deviations, open_course
from tacit.proving.fitting import UNTRAINED, untrained
from tacit.proving.moments import must_see_no_future, steps_of_a_token, tokens
from tacit.proving.outcome import Proof, name_of

TASK = "forecast"
METRICS = ("MSE", "MAE")
HORIZONS = (24, 48, 168, 336, 720)
LAGS, SEASONS = 96, 4
"""Values that a ridge on lags reads: so many, or where a period was found those of so many periods, to `MOST_LAGS`."""
MOST_LAGS = 336


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be foretold."""

    course: Course
    values: Tensor
    """Float32 `[T, C]`, standardised, the channels that move in training."""
    moves: Tensor
    """Boolean `[C']`, which of all channels these are."""
    horizons: Sequence[int]
    period: int | None
    lags: int


Fit = Callable[[int], tuple[Forecaster, Mapping[str, Any]]]
"""Horizon -> what was fitted for it, and how."""


@dataclass(frozen=True, eq=False)
class Row:
    """One way to foretell, fitted `len(fits)` times."""

    name: str
    kind: Kind
    fits: Sequence[Fit]


def forecast(
    encoder: TrainedEncoder, data: str, *, seed: int = 0, max_bad: float = 0.01, horizons: Sequence[int] = ()
) -> Proof:
    """Judge `encoder` by what its tokens say of the steps behind them, on the test part, beside its floors.

    For each horizon H one ridge regression leads from the token of a step to all channels of the H steps behind it, its
    penalty chosen on the validation part. Every forecast counts whose steps all lie in one stretch of the test part;
    what is missing counts nowhere. Values are standardised by the training part alone. Floors: untrained networks, a
    ridge on each channel's last values, the value a period ago, the last value. Raises `UsageError` where tokens see
    the future, or there are none, and `DataError` where series are too short.
    """
    course, dataset = open_course(encoder, data, what=f"--task {TASK}", max_bad=max_bad)
    with interrupt.listening():
        steps = steps_of_a_token(encoder)
        task = _task(course, horizons, printable(data))  # there are steps, then
        must_see_no_future(encoder, course, steps, TASK)
        found = [
            one
            for row in _rows(encoder, task, steps)
            for horizon in task.horizons
            for one in _measured(row, task, horizon, _protocol(dataset, course, task, horizon), seed)
        ]
        deciding = {f"MSE, {horizon} steps": f"{horizon} steps to foretell" for horizon in task.horizons}
        judged = compare(TASK, found, deciding, seed=seed)
        assert judged.verdict is not None
        said = f"{judged.verdict.sentence} {acquaintance(encoder, dataset, course)}"
        return Proof(replace(judged, verdict=Verdict(judged.verdict.helped, said)), dataset, encoder, TASK)


def _protocol(dataset: Dataset, course: Course, task: Task, horizon: int) -> dict[str, Any]:
    return {
        "data": dataset.name,
        "content_hash": dataset.content_hash,
        "split": course.protocol,
        "scaler": "mean and deviation of the training part, channel by channel",
        "channels": task.values.shape[1],
        "missing": int(task.values.isnan().sum()),
        "windows": {part: len(course.origins(part, horizon)) for part in course.spans},
        "counted": "every forecast whose steps all lie in one stretch of the test part",
        "block": _block(task, horizon),
    }


def acquaintance(encoder: TrainedEncoder, dataset: Dataset, course: Course) -> str:
    """What the encoder has seen of the steps that are tested: one sentence."""
    training = encoder.spec.training
    if training.get("content_hash") != dataset.content_hash:
        return (
            f"The encoder was trained on other data ({training.get('data', 'not known')}); whether the steps that are "
            "tested are among them is not known here."
        )
    if course.given:
        return "The encoder was trained on the same data without the steps that are tested."
    return (
        "The encoder may have been trained on the steps that are tested: a column `split` (train, val, test) keeps "
        "them apart in training as well."
    )


def _task(course: Course, horizons: Sequence[int], title: str) -> Task:
    values, moves = in_deviations(course, title)
    period = rules.period(values, course.spans["train"])
    longest = max(end - begin for begin, end in course.spans["train"])
    lags = min(SEASONS * period if period else LAGS, MOST_LAGS, max(1, longest // 4))
    return Task(course, values, moves, _horizons(course, horizons, title), period, lags)


def _horizons(course: Course, asked: Sequence[int], title: str) -> Sequence[int]:
    """Those asked for; else the usual ones for which the test part has as many forecasts as steps ahead; else one."""
    spans = course.spans
    longest = {part: max((end - begin for begin, end in spans[part]), default=0) for part in spans}
    most = min(longest.values())
    if asked:
        for horizon in asked:
            if horizon < 1 or any(len(course.origins(part, horizon)) < 2 for part in spans):
                raise DataError(
                    f"--horizons {horizon}: the stretches of {title} are too short for it: give 1 to {most - 2} "
                    f"(longest stretch: {', '.join(f'{part} {length:,}' for part, length in longest.items())} steps)"
                )
        return sorted(set(asked))
    usual = [
        horizon
        for horizon in HORIZONS
        if all(len(course.origins(part, horizon)) >= horizon for part in ("train", "test"))
        and len(course.origins("val", horizon)) > 1
    ]
    if not usual and most < 4:
        raise DataError(
            f"{title} is too short to foretell anything: its longest stretches have "
            f"{', '.join(f'{length:,} steps ({part})' for part, length in longest.items())}, and it takes 4 in each"
        )
    return usual or [max(1, most // 4)]


def _block(task: Task, horizon: int) -> int:
    return max(horizon, task.period or 1)


def _measured(row: Row, task: Task, horizon: int, protocol: Mapping[str, Any], seed: int) -> Iterator[Resampled]:
    """Both metrics of a row, on the test part and on resampled blocks of it."""
    starts, block = task.course.origins("test", horizon), _block(task, horizon)
    gaps = (starts.diff() > 1).nonzero().flatten().tolist()
    sizes = [after - before for before, after in zip([-1, *gaps], [*gaps, len(starts) - 1], strict=True)]
    values: dict[str, list[Tensor]] = {metric: [] for metric in METRICS}
    draws: dict[str, list[Tensor]] = {metric: [] for metric in METRICS}
    told: list[Mapping[str, Any]] = []
    for fit in row.fits:
        made, how = fit(horizon)
        told.append(how)
        sums = rules.errors(made, task.values, starts, horizon)
        again = rules.in_blocks(sums, sizes, block, seed=seed)
        for metric, own, drawn in zip(METRICS, sums[:2], again[:2], strict=True):
            values[metric].append(own.sum() / sums[2].sum())
            draws[metric].append(drawn / again[2].clamp_min(1))
    blocks = sum(-(-size // block) for size in sizes)
    interval = f"circular block bootstrap over {blocks} blocks of overlapping forecasts"
    for metric in METRICS:
        facts = {**protocol, "blocks": blocks, "bootstrap": interval, "fitted": told}
        found, drawn = torch.stack(values[metric]), torch.stack(draws[metric])
        yield Resampled(row.name, row.kind, f"{metric}, {horizon} steps", found, drawn, facts)


def _rows(encoder: TrainedEncoder, task: Task, steps: int) -> Iterator[Row]:
    course, values = task.course, task.values

    def by(network: Encoder, title: str) -> Fit:
        found = tokens(TrainedEncoder(network, encoder.spec), course, steps, title)
        must_be_finite(found.flatten(1), title)
        if found.shape[1] > 1:
            return by_channel(found[:, task.moves], f"the token of each channel by itself, {found.shape[2]} numbers")

        def fit(horizon: int) -> tuple[Forecaster, Mapping[str, Any]]:
            train, val = (course.origins(part, horizon) for part in ("train", "val"))
            made, penalty = rules.ridge(found[:, 0], values, train, val, horizon)
            return made, {"ridge on": f"the token of a step, {found.shape[2]} numbers", "penalty": penalty}

        return fit

    def by_channel(features: Tensor, words: str) -> Fit:
        def fit(horizon: int) -> tuple[Forecaster, Mapping[str, Any]]:
            train, val = (course.origins(part, horizon) for part in ("train", "val"))
            made, penalties = rules.ridge_by_channel(features, values, train, val, horizon)
            return made, {"ridge on": words, "penalty": penalties}

        return fit

    yield Row(name_of(encoder), "encoder", [by(encoder.network, "tokens")])
    samples = Rows.of(course, encoder)
    fresh = [by(untrained(encoder, samples, seed), "tokens, untrained") for seed in range(UNTRAINED)]
    yield Row("untrained", "untrained", fresh)
    lags = rules.lagged(values, course.begins, task.lags)
    yield Row("ridge on lags", "raw", [by_channel(lags, f"the last {task.lags} values of each channel by itself")])
    if task.period is None:
        say("note: nothing in the training part comes again after a clear period: there is no seasonal floor")
    else:
        period = task.period
        found = {"period": f"{period} steps, by the variogram of the training part"}
        say(f"note: the training part comes again after {period} steps, which the seasonal floor goes by")
        yield Row("seasonal", "raw", [lambda h: (rules.seasonal(values, course.begins, h, period), found)])
    yield Row("last value", "raw", [lambda h: (rules.last_value(values, course.begins, h), {})])
