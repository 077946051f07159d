"""What is said of folds that are left out in turn: how they differ, and what pre-training saw of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from torch import Tensor

from tacit.data.dataset import Dataset, open_dataset
from tacit.data.listing import Longs
from tacit.encoder import TrainedEncoder
from tacit.errors import UsageError
from tacit.evaluation.bench import Evaluation, Result
from tacit.evaluation.verdict import figure


def told(judged: Evaluation, seen: str, column: str) -> Evaluation:
    """The same, its verdict saying how far the folds are apart and what pre-training has `seen`; so do the encoder's
    results."""
    own = [result for result in judged.results if result.kind == "encoder"]
    results = tuple(
        replace(result, protocol={**result.protocol, "seen": seen}) if result.kind == "encoder" else result
        for result in judged.results
    )
    if judged.verdict is None:
        return replace(judged, results=results)
    sentence = " ".join([judged.verdict.sentence, *_apart(own, column), seen])
    return replace(judged, results=results, verdict=replace(judged.verdict, sentence=sentence))


def _apart(own: list[Result], column: str) -> list[str]:
    """A sentence on the worst and the best fold: by all labels, or by what was measured last where they were not."""
    scored = [result for result in own if result.low is not None]
    last = next((result for result in scored if result.task == "linear"), scored[-1])
    folds: Mapping[str, float] = last.protocol["folds"]
    low, high = (pick(folds, key=folds.__getitem__) for pick in (min, max))
    return [
        f"Alone, the {len(folds)} {column}s reach from {figure(folds[low])} ({low}) to {figure(folds[high])} ({high})."
    ]


def acquaintance(encoder: TrainedEncoder, dataset: Dataset, rows: Tensor) -> str:
    """What the encoder has seen, without labels, of the samples in `rows` (long) of `dataset`: one sentence.

    A run knows the contents of its data by their hash, and its training part by the words of its split. Raises
    `UsageError` where the encoder learnt from labels of these samples, or may have.
    """
    training, unit = encoder.spec.training, encoder.modality.unit
    if "content_hash" not in training:
        return f"What it was pre-trained on is not known here: it may have seen the {unit} that are tested."
    if training["content_hash"] != dataset.content_hash:
        return (
            f"It has learnt from other data ({training.get('data')}); whether some of the {unit} that are tested "
            "are among them is not known here."
        )
    learnt = training_part(encoder, dataset)
    if encoder.spec.labels and (learnt is None or np.isin(rows.numpy(), learnt).any()):
        raise UsageError(
            f"this encoder learnt from labels of the {unit} that would be left out in turn, which one encoder for all "
            "folds must not know: leave out --leave-out, or judge one that learnt without labels, as that which a "
            "fine-tuned one began as"
        )
    if learnt is None:
        return (
            f"It was pre-trained on {training['samples']:,} of the same {unit}, which ones is not known here: count "
            "this as transductive, since those that are tested may be among them, without their labels."
        )
    count = int(np.isin(rows.numpy(), learnt).sum())
    if count == 0:
        return f"It was pre-trained on none of the {unit} that are tested."
    return (
        f"Transductive: it was pre-trained on {count:,} of the {len(rows):,} {unit} that are tested, without their "
        "labels."
    )


def training_part(encoder: TrainedEncoder, dataset: Dataset) -> Longs | None:
    """Rows of `dataset`, whose contents are those of the training data, that the run trained on; None: not known."""
    training = encoder.spec.training
    if training.get("split") == dataset.protocol:
        return dataset.parts["train"]
    seed = training.get("seed")
    if not isinstance(seed, int):
        return None
    kind = encoder.modality
    again = open_dataset(dataset.name, kind, kind.config(), encoder.layout, seed=seed, max_bad=1.0)
    return again.parts["train"] if training.get("split") == again.protocol else None
