"""What is said of encoders that learnt from labels: what their figures are not, and when there are to be none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tacit.console import say
from tacit.data.dataset import open_dataset
from tacit.encoder import TrainedEncoder
from tacit.errors import UsageError
from tacit.proving.left_out import training_part
from tacit.proving.outcome import Proof


def must_not_know(encoder: TrainedEncoder, data: str, *, seed: int, max_bad: float) -> None:
    """Raise `UsageError` where the encoder learnt from labels of samples in the test part of `data`, by `seed`."""
    training, kind = encoder.spec.training, encoder.modality
    if not encoder.spec.labels:
        return
    dataset = open_dataset(data, kind, kind.config(), encoder.layout, seed=seed, max_bad=max_bad)
    if training.get("content_hash") != dataset.content_hash or "test" not in dataset.parts:
        return
    learnt, tested = training_part(encoder, dataset), dataset.parts["test"]
    known = 0 if learnt is None else int(np.isin(tested, learnt).sum())
    if known:
        raise UsageError(
            f"this encoder learnt from labels of {known:,} of the {len(tested):,} {kind.unit} that would "
            f"be tested: judge it by the split it was trained with, --seed {training.get('seed')}, or on other data"
        )


def told_of_labels(done: Proof) -> Proof:
    """The same, said beside its verdict and as a note with how many labels the encoder was trained, where with any."""
    spec = done.encoder.spec
    if not spec.labels:
        return done
    same = spec.training.get("content_hash") == done.dataset.content_hash
    classes = (
        "neighbours and probes tell classes that it was taught"
        if same
        else "whether it was taught the classes of these data is not known here"
    )
    sentence = (
        f"This encoder was trained with {spec.labels:,} labels: rows of few do not say what few would give, and "
        f"{classes}."
    )
    say(f"note: {sentence}")
    verdict = done.evaluation.verdict
    if verdict is None:
        return done
    told = replace(verdict, sentence=f"{verdict.sentence} {sentence}")
    return replace(done, evaluation=replace(done.evaluation, verdict=told))
