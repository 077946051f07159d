"""Does choosing what to label help? `tacit evaluate --task select`: chosen samples against random ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from tacit import interrupt
from tacit.console import progress
from tacit.encoder import TrainedEncoder
from tacit.errors import UsageError
from tacit.evaluation import few_label, selection
from tacit.evaluation.axes import Axes
from tacit.evaluation.bench import Evaluation, evaluate
from tacit.evaluation.bootstrap import Interval
from tacit.evaluation.features import must_be_finite
from tacit.evaluation.selection import Choice
from tacit.evaluation.setup import Bench, Kind, PredictedRow
from tacit.evaluation.tasks import Key
from tacit.evaluation.verdict import Verdict, figure, with_interval
from tacit.proving.labelled import bench_of
from tacit.proving.outcome import Proof
from tacit.proving.proof import features_of

TASK = "select"
TOTALS = (10, 20, 40, 100)
"""Labels in all."""
SEEDS = 20
ROWS: tuple[tuple[str, str, Kind], ...] = (
    ("chosen", "kmedoids", "encoder"),
    ("chosen, typical", "typical", "method"),
    ("random", "random", "random"),
)
"""Name, way to choose, kind."""


def choosing(
    encoder: TrainedEncoder,
    data: str,
    *,
    seed: int = 0,
    totals: Sequence[int] = (),
    draws: int | None = None,
    max_bad: float = 0.01,
) -> Proof:
    """Judge what is chosen in the features of `encoder` on the labelled set `data`, beside random draws.

    The labels of the chosen samples, and of no others, train logistic regression on the same features, once for each of
    `draws` seeds; `totals` are numbers of labels in all. Nobody knows the classes while choosing, and random draws are
    not balanced: they may miss some. Raises `UsageError` where a total is larger than the training part, and
    `DataError` where the labels cannot judge anything.
    """
    with interrupt.listening():
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        bench = bench_of(dataset, seed=seed, totals=(), draws=draws or SEEDS)
        count = len(bench.train)
        if totals and not 1 <= min(totals) <= max(totals) <= count:
            raise UsageError(
                f"--labels: give numbers from 1 to {count:,}, the training samples there are to choose from"
            )
        wanted = sorted(set(totals)) or [total for total in TOTALS if total <= count] or [count]
        train, test = (
            must_be_finite(
                features_of(encoder.network, samples, device=encoder.device, title=f"features, {part}"), TASK
            )
            for part, samples in (("training part", bench.train), ("test part", bench.test))
        )
        x = Axes.of(train, selection.WIDTH)(train)
        choices = {total: _choices(x, total, bench) for total in wanted}
        rows = [_row(*row, train, test, choices, bench) for row in ROWS]
        judged = evaluate(bench, rows, ())
        judged = replace(judged, verdict=_verdict(judged, wanted))
        curve = "Logistic regression on frozen features, mean over seeds of the choice"
        return Proof(judged, dataset, encoder, "selection", curve)


def _choices(x: torch.Tensor, total: int, bench: Bench) -> list[dict[str, Choice]]:
    """What each method chooses with each seed."""
    found = []
    with progress(f"choosing {total}", bench.draws) as tick:
        for number in range(bench.draws):
            found.append(selection.choose(x, total, methods=tuple(selection.METHODS), seed=1_000 * bench.seed + number))
            tick(number + 1)
    return found


def _row(
    name: str,
    method: str,
    kind: Kind,
    train: torch.Tensor,
    test: torch.Tensor,
    choices: dict[int, list[dict[str, Choice]]],
    bench: Bench,
) -> PredictedRow:
    drawn = [torch.stack([each[method].rows for each in found]) for found in choices.values()]
    answers = list(few_label.few_label(train, bench.train_labels, test, len(bench.classes), drawn, bench.groups))
    keys: list[Key] = [(TASK, f"{total}{few_label.IN_ALL}") for total in choices]
    protocol = {
        "method": method,
        "seeds": bench.draws,
        "axes": selection.WIDTH,
        "dimension": train.shape[1],
        "C": [each.c for each in answers],
        "classes_found": {
            str(total): round(sum(len(set(bench.train_labels[row].tolist())) for row in rows) / len(rows), 2)
            for total, rows in zip(choices, drawn, strict=True)
        },
    }
    found = dict(zip(keys, (each.predictions for each in answers), strict=True))
    return PredictedRow(name, kind, lambda _: found, protocol)


def _verdict(judged: Evaluation, totals: Sequence[int]) -> Verdict:
    """Whether choosing beats random draws, with the whole interval of the difference, at each number of labels."""
    metrics = {total: f"{total}{few_label.IN_ALL}" for total in totals}
    own, floor = (judged.find(row, TASK, metrics[totals[0]]) for row in (ROWS[0][0], ROWS[-1][0]))
    assert own is not None
    assert floor is not None
    assert own.low is not None
    assert own.high is not None
    reached = with_interval(Interval(own.value, own.low, own.high))
    gains = {gain.metric: gain for gain in judged.differences if gain.row == ROWS[-1][0]}
    first = gains[metrics[totals[0]]]
    no = "it did not help beyond chance" if first.value > 0 else "it did not help"
    said = (
        f"With {few_label.words(first.metric)} choosing reaches {reached}, random draws {figure(floor.value)}: "
        f"{'it helped' if first.low > 0 else no}."
    )
    more = [
        f"{100 * gains[metrics[total]].value:.1f} with {total:,}"
        + ("" if gains[metrics[total]].low > 0 else " (not beyond chance)")
        for total in totals[1:]
    ]
    said += f" The gain in points: {', '.join(more)}." if more else ""
    return Verdict(any(gain.low > 0 for gain in gains.values()), said)
