"""Did it help? The rows of an evaluation: an encoder and all floors on the same samples of one set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial

import torch
from torch import Tensor

from tacit import interrupt
from tacit.console import progress, say
from tacit.core import Encoder, Samples
from tacit.data.subset import Subset
from tacit.encoder import TrainedEncoder
from tacit.engine.environment import computes_bf16
from tacit.errors import UsageError, nearest
from tacit.evaluation.bench import Evaluation, evaluate
from tacit.evaluation.features import extract, extract_floor, extract_pairs
from tacit.evaluation.few_label import DRAWS, unrepeated, words
from tacit.evaluation.setup import Bench, PredictedRow, Row, Setup
from tacit.evaluation.tasks import DEFAULT_TASKS as DEFAULT_TASKS
from tacit.evaluation.tasks import TASKS, Key
from tacit.proving.fitting import UNTRAINED, Fit, from_scratch, gathered, pieces, untrained
from tacit.proving.floors import Floors
from tacit.proving.keeping import carried_out
from tacit.proving.labelled import COLUMNS, bench_of, crossed_of, drawn_of
from tacit.proving.left_out import acquaintance, told
from tacit.proving.outcome import Proof, name_of

BALANCED_NAME = "balanced"
"""What evaluations by balanced accuracy are kept as, beside those by accuracy."""
UNBALANCED = 2
"""How many times the samples of the rarest class the commonest may have before balanced accuracy is pointed out."""
SCRATCH = "scratch"
SCRATCH_STEPS = 200
"""Steps from scratch on few labels; on all labels as many as pre-training had, and no fewer than these."""


def prove(
    encoder: TrainedEncoder,
    data: str,
    *,
    tasks: Sequence[str] = DEFAULT_TASKS,
    seed: int = 0,
    totals: Sequence[int] = (),
    draws: int | None = None,
    max_bad: float = 0.01,
    leave_out: str | None = None,
    balanced: bool = False,
) -> Proof:
    """Judge `encoder` on the labelled set `data`, beside every floor.

    `tasks`: names among `TASKS`, and `scratch` for the same network trained from scratch on the same labels; `totals`:
    numbers of few labels in all, 1 to 100 per class where none is given; `draws` of them (20), paired across all rows.
    `leave_out`: a column of the data, `fold` or `group`, each of whose values is tested once by probes that learnt from
    all others; `balanced`: accuracies are the mean of the classes' recalls. Raises `UsageError` where the set cannot
    serve a total, and `DataError` where the set has no labels to judge by, or no such column.
    """
    for task in tasks:
        if task not in (*TASKS, SCRATCH):
            raise UsageError(f"no task {task!r}; {nearest(task, (*TASKS, SCRATCH))}")
    if leave_out not in (None, *COLUMNS):
        raise UsageError(f"--leave-out {leave_out}: no such column is left out; {nearest(leave_out, COLUMNS)}")
    with interrupt.listening():
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        draws = draws or DRAWS
        if leave_out is None:
            bench = bench_of(dataset, seed=seed, totals=totals, draws=draws, balanced=balanced)
            _note_unbalanced(bench)
            judged = _judged(encoder, bench, bench.train, bench.test, dataset.part("train"), tasks)
            return Proof(judged, dataset, encoder, BALANCED_NAME if balanced else "evaluation")
        crossed, rows = crossed_of(dataset, leave_out, seed=seed, totals=totals, draws=draws, balanced=balanced)
        seen = acquaintance(encoder, dataset, rows)
        _note_unbalanced(crossed)
        judged = _judged(encoder, crossed, crossed.samples, crossed.samples, dataset.everything(), tasks)
        judged = told(judged, seen, leave_out)
        name = f"leave-out-{leave_out}" + (f"-{BALANCED_NAME}" if balanced else "")
        return Proof(judged, replace(dataset, protocol=crossed.protocol["split"]), encoder, name)


def _judged(
    encoder: TrainedEncoder, setup: Setup, fitted: Samples, shown: Samples, unlabelled: Subset, tasks: Sequence[str]
) -> Evaluation:
    """All rows judged; statistics of untrained networks are those of `fitted`, rivals learn from `unlabelled`, and
    `shown` is what views for the alignment are made of."""
    rows: list[Row | PredictedRow] = [
        _encoder_row(encoder, shown),
        *_untrained(encoder, fitted),
        *_raw(encoder),
        *_rivals(encoder, unlabelled),
        *_classifiers(encoder, tasks),
    ]
    if SCRATCH in tasks:
        rows.append(_scratch(encoder))
    return evaluate(setup, rows, [task for task in tasks if task != SCRATCH], Floors())


def _encoder_row(encoder: TrainedEncoder, shown: Samples) -> Row:
    spec = encoder.spec
    augment = encoder.modality.augment(encoder.modality.config.parse(spec.modality))
    features = partial(features_of, encoder.network, device=encoder.device, title="features of the encoder")
    pairs = partial(extract_pairs, encoder.network, shown, (augment["weak"], augment["weak"]), device=encoder.device)
    # apart from what holds of the evaluation: both have data, a split and a seed
    protocol = {
        "layer": "pooled",
        "crops": "one, the whole sample",
        "last_or_best": "last",
        "training": dict(spec.training),
    }
    return Row(name_of(encoder), "encoder", features, protocol, pairs)


def _note_unbalanced(setup: Setup) -> None:
    sizes = setup.sizes_of_classes()
    if not setup.balanced and sizes.max() > UNBALANCED * sizes.min():
        say(
            f"note: the commonest class has {int(sizes.max()):,} samples, the rarest {int(sizes.min()):,}: "
            "--metric balanced counts all classes alike"
        )


def features_of(network: Encoder, samples: Samples, *, device: torch.device, title: str) -> Tensor:
    """Features `[N, D]` of all `samples`, in the precision in which the device computes."""
    return extract(network, samples, device=device, bf16=computes_bf16(device), title=title)


def _untrained(encoder: TrainedEncoder, fitted: Samples) -> list[Row]:
    assert isinstance(fitted, Subset)
    if encoder.network.solved:
        return []

    def features(seed: int) -> Callable[[Samples], Tensor]:
        network = cache(lambda: untrained(encoder, fitted, seed))

        def compute(samples: Samples) -> Tensor:
            return features_of(network(), samples, device=encoder.device, title="features of an untrained encoder")

        return compute

    protocol = {"layer": "pooled", "crops": "one, the whole sample"}
    identity = {"kind": "untrained", "encoder": dict(encoder.spec.encoder), "layout": dict(encoder.spec.layout)}
    return [
        Row(
            "untrained",
            "untrained",
            features(seed),
            {**protocol, "seed": seed},
            identity={**identity, "seed": seed},
        )
        for seed in range(UNTRAINED)
    ]


def _raw(encoder: TrainedEncoder) -> list[Row]:
    layout = dict(encoder.spec.layout)
    return [
        Row(
            name,
            "raw",
            partial(extract_floor, function, title=name),
            {"layer": "input"},
            identity={"kind": "raw", "name": name, "layout": layout},
        )
        for name, function in encoder.modality.floors.items()
    ]


def _rivals(encoder: TrainedEncoder, train: Subset) -> list[Row]:
    """The closed forms of the field on all of `train`, labelled or not: what a network has to beat."""
    if encoder.spec.encoder["name"] in encoder.modality.rivals:
        return []
    return [_rival(encoder, name, train) for name in encoder.modality.rivals]


def _rival(encoder: TrainedEncoder, name: str, train: Subset) -> Row:
    fitted = cache(lambda: encoder.modality.rivals[name](train))

    def features(samples: Samples) -> Tensor:
        return extract_floor(fitted(), samples, title=f"features of {name}")

    identity = {"kind": "rival", "name": name, "samples": len(train), "layout": dict(encoder.spec.layout)}
    return Row(name, "method", features, {"layer": "pooled", "fitted_on": len(train)}, identity=identity)


def _classifiers(encoder: TrainedEncoder, tasks: Sequence[str]) -> list[PredictedRow]:
    """The field's own classifiers of its kind of data, on the labels that the probes get."""
    if not {"linear", "few-label"} & set(tasks):
        return []
    return [_classifier(encoder, name, tasks) for name in encoder.modality.classifiers]


def _classifier(encoder: TrainedEncoder, name: str, tasks: Sequence[str]) -> PredictedRow:
    def predictions(bench: Bench) -> dict[Key, Tensor]:
        classify = encoder.modality.classifiers[name](bench.train, bench.test)
        if classify is None:
            return {}
        labels, found = bench.train_labels, {}
        few = drawn_of(bench, bench.sizes) if "few-label" in tasks else {}
        with progress(name, bench.draws * len(few)) as tick:
            for number, (metric, draws) in enumerate(few.items()):
                answered = []
                for rows in draws:
                    answered.append(classify(rows, labels[rows]))
                    tick(number * bench.draws + len(answered), words(metric))
                found["few-label", metric] = torch.stack(answered)
        if "linear" in tasks:
            found["linear", "all"] = classify(torch.arange(len(labels)), labels)[None]
        return found

    identity = {"kind": "classifier", "name": name, "layout": dict(encoder.spec.layout)}
    return PredictedRow(name, "raw", predictions, {"layer": "input", "classifier": name}, identity)


def _scratch(encoder: TrainedEncoder) -> PredictedRow:
    """The same network from scratch on the same labels: all of them, and in every draw ten per class or the totals."""
    steps, few = max(SCRATCH_STEPS, int(encoder.spec.training.get("steps", 0))), SCRATCH_STEPS

    def predictions(bench: Bench) -> dict[Key, Tensor]:
        everything = torch.arange(len(bench.train_labels))
        fits = [Fit(("linear", "all"), "from scratch, all labels", everything, steps)]
        fits += [
            Fit(("few-label", metric), f"from scratch, {words(metric)}, draw {number + 1}", unrepeated(some), few)
            for metric, rows in drawn_of(bench, (10,)).items()
            for number, some in enumerate(rows)
        ]
        work = pieces(encoder, bench, fits, partial(from_scratch, encoder, bench), None)
        return gathered(fits, iter(carried_out("training", work)))

    protocol = {"steps_all": steps, "steps_few": few, "optimiser": "adamw, lr 0.002", "views": "weak", "epoch": "last"}
    return PredictedRow("from scratch", "scratch", predictions, protocol)
