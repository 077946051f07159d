"""Where in an encoder does it stand? `tacit evaluate --task layers`: a probe on each layer, and on a sum of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from tacit import interrupt
from tacit.console import progress
from tacit.core import Samples, TokenEncoder, View
from tacit.encoder import TrainedEncoder
from tacit.engine.environment import computes_bf16
from tacit.errors import UsageError
from tacit.evaluation.bench import Evaluation, evaluate
from tacit.evaluation.features import extract_floor, inference, must_be_finite
from tacit.evaluation.layers import weighted_probe
from tacit.evaluation.linear import GRID, linear_probe, tuned_on
from tacit.evaluation.setup import Bench, Kind, PredictedRow
from tacit.evaluation.tasks import Key
from tacit.evaluation.verdict import Contest, Verdict, figure, verdict
from tacit.proving.fitting import UNTRAINED, untrained
from tacit.proving.labelled import bench_of
from tacit.proving.outcome import Proof, name_of

TASK, SUM = "layers", "weighted sum"


@dataclass(frozen=True, eq=False)
class Row:
    """Something that turns samples into features, layer by layer. Rows of one name are averaged."""

    name: str
    kind: Kind
    features: Callable[[Samples], Tensor]
    """Samples -> `[N, K, D]`."""


def layers(encoder: TrainedEncoder, data: str, *, seed: int = 0, max_bad: float = 0.01) -> Proof:
    """Judge each layer of `encoder` on the labelled set `data`, and a sum of all, beside those of untrained networks.

    Layer 0 is what the stem makes of a token before any has seen another; of each layer the mean over a sample's tokens
    is read. Raises `UsageError` for an encoder without layers of tokens, and `DataError` as `proof.prove`.
    """
    network = encoder.network
    if not isinstance(network, TokenEncoder) or network.width != network.out:
        raise UsageError(
            f"task {TASK} reads layers of tokens of one width, which {encoder.spec.encoder['name']} has not: judge "
            "one that was trained with --encoder transformer, or leave --task away"
        )
    with interrupt.listening():
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        bench = bench_of(dataset, seed=seed, totals=(), draws=1)
        rows = [Row(name_of(encoder), "encoder", partial(_features, encoder, network))]
        for number in range(UNTRAINED):
            fresh = untrained(encoder, dataset.part("train"), number)
            assert isinstance(fresh, TokenEncoder), "of the same class"
            rows.append(Row("untrained", "untrained", partial(_features, encoder, fresh)))
        return Proof(judged(bench, rows), dataset, encoder, TASK)


def _features(encoder: TrainedEncoder, network: TokenEncoder, samples: Samples) -> Tensor:
    """`[N, K, D]`, the mean of each sample's tokens in each layer."""
    device = encoder.device

    def read(view: View) -> Tensor:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=computes_bf16(device)):
            return pooled_layers(network, view.to(device)).flatten(1)

    with inference(network):
        return extract_floor(read, samples, title="layers").view(len(samples), -1, network.width)


def pooled_layers(network: TokenEncoder, view: View) -> Tensor:
    """The mean of the valid tokens before the trunk and after each of its layers, `[B, K, D]`."""
    tokens = network.cut(view)
    inside = tokens.valid[..., None]
    count = inside.sum(dim=1).clamp_min(1)
    return torch.stack(
        [torch.where(inside, x, 0).float().sum(dim=1) / count for x in (tokens.x, *network.layers(tokens))], dim=1
    )


def judged(bench: Bench, rows: Sequence[Row]) -> Evaluation:
    """The rows on the split of `bench`: each layer alone, then their sum, which decides."""
    found = evaluate(bench, [_measured(bench, row) for row in rows], ())
    return replace(found, verdict=_verdict(found, bench.seed))


def _measured(bench: Bench, row: Row) -> PredictedRow:
    """The answers of all probes of a row, each chosen and fitted without a look at the test part."""
    train, test = (_finite(row, samples) for samples in (bench.train, bench.test))
    val = (_finite(row, bench.val[0]), bench.val[1]) if bench.val else None
    labels, classes = bench.train_labels, len(bench.classes)
    groups, seed = bench.groups, bench.seed
    found: dict[Key, Tensor] = {}
    chosen = {}
    with progress(row.name, train.shape[1] + 1) as tick:
        together = weighted_probe(train, labels, test, classes, val=val, groups=groups, seed=seed)
        found[TASK, SUM], chosen[SUM] = together.predictions[None], together.c
        for layer in range(train.shape[1]):
            tick(layer + 1, f"layer {layer}")
            known = (val[0][:, layer], val[1]) if val else None
            alone = linear_probe(train[:, layer], labels, test[:, layer], classes, val=known, groups=groups, seed=seed)
            found[TASK, f"layer {layer}"], chosen[f"layer {layer}"] = alone.predictions[None], alone.c
    protocol = {
        "layers": train.shape[1],
        "dimension": train.shape[2],
        "layer": "mean of the tokens; 0 is the stem's; each scaled by itself before they are summed",
        "weights": [round(weight, 4) for weight in together.weights.tolist()],
        "C": chosen,
        "tuned_on": tuned_on(bench.val, bench.groups),
        "grid": list(GRID),
    }
    return PredictedRow(row.name, row.kind, lambda _: found, protocol)


def _finite(row: Row, samples: Samples) -> Tensor:
    features = row.features(samples)
    must_be_finite(features.flatten(1), row.name)
    return features


def _verdict(found: Evaluation, seed: int) -> Verdict:
    """Whether the sum of layers says more after pre-training than without it, and where it does."""
    results = {(result.row, result.metric): result for result in found.results}
    right = {row: each for (row, _, metric), each in found.correct.items() if metric == SUM}
    own = next(result for result in found.results if result.kind == "encoder")
    floors = {row: right[row] for row in right if row not in (own.row, "majority")}
    if right["majority"].mean() >= max(floor.mean() for floor in floors.values()):
        floors["majority"] = right["majority"]
    members = [
        value
        for result in found.results
        if (result.kind, result.metric) == ("untrained", SUM)
        for value in result.protocol.get("members", [result.value])
    ]
    said = verdict([Contest("all labels and a weighted sum of layers", right[own.row], floors, members)], seed=seed)
    weights = own.protocol["weights"]
    last = results[own.row, f"layer {len(weights) - 1}"].value
    where = f"Its weights from layer 0 on: {', '.join(f'{weight:.2f}' for weight in weights)}."
    return replace(said, sentence=f"{said.sentence} {where} The last layer alone reaches {figure(last)}.")
