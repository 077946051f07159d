"""Did it help? The rows of an evaluation: an encoder and all floors on one split of one set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

import torch
from torch import Tensor

from tacit import interrupt
from tacit.console import progress, say
from tacit.core import Encoder, Samples
from tacit.data.dataset import Dataset, Subset
from tacit.encoder import TrainedEncoder
from tacit.engine.environment import computes_bf16
from tacit.errors import DataError, UsageError, nearest
from tacit.evaluation.bench import Bench, PredictedRow, Row, evaluate
from tacit.evaluation.features import extract, extract_floor, extract_pairs
from tacit.evaluation.few_label import DRAWS, drawn, words
from tacit.evaluation.tasks import DEFAULT_TASKS as DEFAULT_TASKS
from tacit.evaluation.tasks import TASKS, Key
from tacit.proving.fitting import UNTRAINED, Fit, from_scratch, gathered, pieces, untrained
from tacit.proving.floors import Floors
from tacit.proving.keeping import carried_out
from tacit.proving.outcome import Proof, name_of
from tacit.proving.shelf import digest
from tacit.truth.labels import DRAWN

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
) -> Proof:
    """Judge `encoder` on the labelled set `data`, beside every floor.

    `tasks`: names among `TASKS`, and `scratch` for the same network trained from scratch on the same labels; `totals`:
    numbers of few labels in all, 1 to 100 per class where none is given; `draws` of them (20), paired across all rows.
    Raises `UsageError` where the set cannot serve a total, and `DataError` where the set has no labels to judge by.
    """
    for task in tasks:
        if task not in (*TASKS, SCRATCH):
            raise UsageError(f"no task {task!r}; {nearest(task, (*TASKS, SCRATCH))}")
    with interrupt.listening():
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        bench = bench_of(dataset, seed=seed, totals=totals, draws=draws or DRAWS)
        rows: list[Row | PredictedRow] = [
            _encoder_row(encoder, bench),
            *_untrained(encoder, bench),
            *_raw(encoder),
            *_rivals(encoder, dataset.part("train")),
            *_classifiers(encoder, bench, tasks),
        ]
        if SCRATCH in tasks:
            rows.append(_scratch(encoder, bench))
        judged = evaluate(bench, rows, [task for task in tasks if task != SCRATCH], Floors())
        return Proof(judged, dataset, encoder)


def bench_of(dataset: Dataset, *, seed: int, totals: Sequence[int], draws: int) -> Bench:
    """The labelled samples of `dataset`, but for classes that cannot be both learnt and tested, which are named.

    Raises `DataError` where they cannot judge anything.
    """
    train, test = _labelled(dataset, "train"), _labelled(dataset, "test")
    counts = torch.stack([part.labels.bincount(minlength=len(dataset.classes)) for part in (train, test)])
    judged = (counts > 0).all(0)
    number = torch.where(judged, judged.cumsum(0) - 1, -1)
    left_out = [dataset.classes[code] for code in (~judged).nonzero().flatten().tolist()]
    if left_out:
        shown = ", ".join(map(repr, left_out[:5])) + (", ..." if left_out[5:] else "")
        say(f"note: no sample to learn from, or none to test on, of {shown}: left out, so nothing is known about it")
    (train, train_labels), (test, test_labels) = _of_classes(train, number), _of_classes(test, number)
    val = _of_classes(_labelled(dataset, "val"), number) if "val" in dataset.parts else None
    protocol = {
        "data": dataset.name,
        "content_hash": dataset.content_hash,
        "split": dataset.protocol,
        "labels_hash": digest(*(rows.source_rows.tolist() for rows in (train, test)), train_labels, test_labels),
    }
    return Bench(
        train=train,
        train_labels=train_labels,
        test=test,
        test_labels=test_labels,
        classes=[name for name in dataset.classes if name not in left_out],
        val=val if val is not None and len(val[1]) else None,
        units=test.units,
        protocol={**protocol, "classes_left_out": left_out} if left_out else protocol,
        seed=seed,
        totals=totals,
        draws=draws,
    )


def drawn_of(bench: Bench, sizes: Sequence[int]) -> Mapping[str, Tensor]:
    """The few labels of every row, by `sizes` or the bench's totals: metric -> rows of the training part, `[S, L]`."""
    classes, totals = len(bench.classes), bench.totals
    return drawn(bench.train_labels, classes, sizes, totals, draws=bench.draws, seed=bench.seed)


def _labelled(dataset: Dataset, part: str) -> Subset:
    subset = dataset.part(part)
    rows = (subset.labels >= 0).nonzero().flatten()
    if len(rows) == 0:
        kind = dataset.annotations.kind if dataset.annotations else None
        drawn = f"; its {kind} judge --task {DRAWN[kind]}" if kind else ""
        raise DataError(
            f"no sample of the {part} part of {dataset.name} has a label, and judging an encoder needs some: put "
            f"the files into one sub-folder per class, or give a CSV with the columns path,label{drawn}"
        )
    return subset if len(rows) == len(subset) else subset.select(rows)


def _of_classes(samples: Subset, number: Tensor) -> tuple[Subset, Tensor]:
    """The samples whose class has a number, and these numbers, long; `number`: class -> its number, or -1."""
    labels = number[samples.labels]
    rows = (labels >= 0).nonzero().flatten()
    return (samples, labels) if len(rows) == len(labels) else (samples.select(rows), labels[rows])


def _encoder_row(encoder: TrainedEncoder, bench: Bench) -> Row:
    spec = encoder.spec
    augment = encoder.modality.augment(encoder.modality.config.parse(spec.modality))
    features = partial(features_of, encoder.network, device=encoder.device, title="features of the encoder")
    pairs = partial(
        extract_pairs, encoder.network, bench.test, (augment["weak"], augment["weak"]), device=encoder.device
    )
    protocol = {"layer": "pooled", "crops": "one, the whole sample", "last_or_best": "last", **spec.training}
    return Row(name_of(encoder), "encoder", features, protocol, pairs)


def features_of(network: Encoder, samples: Samples, *, device: torch.device, title: str) -> Tensor:
    """Features `[N, D]` of all `samples`, in the precision in which the device computes."""
    return extract(network, samples, device=device, bf16=computes_bf16(device), title=title)


def _untrained(encoder: TrainedEncoder, bench: Bench) -> list[Row]:
    train = bench.train
    assert isinstance(train, Subset)
    if encoder.network.solved:
        return []

    def features(seed: int) -> Callable[[Samples], Tensor]:
        network = cache(lambda: untrained(encoder, train, seed))

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
    """The closed forms of the field on all of the training part, labelled or not: what a network has to beat."""
    if encoder.spec.encoder["name"] in encoder.modality.rivals:
        return []
    return [_rival(encoder, name, train) for name in encoder.modality.rivals]


def _rival(encoder: TrainedEncoder, name: str, train: Subset) -> Row:
    fitted = cache(lambda: encoder.modality.rivals[name](train))

    def features(samples: Samples) -> Tensor:
        return extract_floor(fitted(), samples, title=f"features of {name}")

    identity = {"kind": "rival", "name": name, "samples": len(train), "layout": dict(encoder.spec.layout)}
    return Row(name, "method", features, {"layer": "pooled", "fitted_on": len(train)}, identity=identity)


def _classifiers(encoder: TrainedEncoder, bench: Bench, tasks: Sequence[str]) -> list[PredictedRow]:
    """The field's own classifiers of its kind of data, on the labels that the probes get."""
    if not {"linear", "few-label"} & set(tasks):
        return []
    return [_classifier(encoder, name, bench, tasks) for name in encoder.modality.classifiers]


def _classifier(encoder: TrainedEncoder, name: str, bench: Bench, tasks: Sequence[str]) -> PredictedRow:
    def predictions() -> dict[Key, Tensor]:
        classify = encoder.modality.classifiers[name](bench.train, bench.test)
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


def _scratch(encoder: TrainedEncoder, bench: Bench) -> PredictedRow:
    """The same network from scratch on the same labels: all of them, and in every draw ten per class or the totals."""
    steps, few = max(SCRATCH_STEPS, int(encoder.spec.training.get("steps", 0))), SCRATCH_STEPS

    def predictions() -> dict[Key, Tensor]:
        everything = torch.arange(len(bench.train_labels))
        fits = [Fit(("linear", "all"), "from scratch, all labels", everything, steps)]
        fits += [
            Fit(("few-label", metric), f"from scratch, {words(metric)}, draw {number + 1}", some, few)
            for metric, rows in drawn_of(bench, (10,)).items()
            for number, some in enumerate(rows)
        ]
        work = pieces(encoder, bench, fits, partial(from_scratch, encoder, bench), None)
        return gathered(fits, iter(carried_out("training", work)))

    protocol = {"steps_all": steps, "steps_few": few, "optimiser": "adamw, lr 0.002", "views": "weak", "epoch": "last"}
    return PredictedRow("from scratch", "scratch", predictions, protocol)
