"""Does pre-training help to translate? `tacit evaluate --task translate`: one network from two starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from tacit import interrupt
from tacit.data.dataset import Dataset
from tacit.data.shelf import Kept
from tacit.encoder import TrainedEncoder
from tacit.engine.settings import Optimiser
from tacit.errors import DataError
from tacit.evaluation.dictionary import Dictionary, nearest
from tacit.heads.head import Answers
from tacit.heads.texts import METRICS, TextTargets, scores, signatures
from tacit.heads.translate import Translate, spelt
from tacit.initial import start as initial
from tacit.proving.outcome import Proof
from tacit.proving.starts import Floor, at_random, judged, pretrained
from tacit.proving.trial import Effort, Recipe, Trial, scored, trial_of
from tacit.truth.parts import Part, split

TASK = "translate"
EFFORT = Effort(steps={3_000: 1_000}, steps_all=1_000, draws=1, batch=64, evaluations=5)
TESTED = 1_000
"""Test samples that are translated, evenly spread where there are more."""
RECIPE = Recipe(
    Translate.recipe["method"], Optimiser.parse(Translate.recipe["optimiser"]), Translate.recipe["modality"]
)
"""As `tacit finetune --task translate` trains."""
Written = Sequence[str]
"""A text for each test sample."""


def translate(
    encoder: TrainedEncoder,
    data: str,
    *,
    seed: int = 0,
    totals: Sequence[int] = (),
    draws: int | None = None,
    max_bad: float = 0.01,
    effort: Effort = EFFORT,
) -> Proof:
    """Judge `encoder`, with the decoder of its run, by what it is worth to a translator, beside its floors.

    The same network is trained on `totals` of the pairs in the training part (3,000 and all), with the same steps and
    draws, from the pre-trained weights and from random ones. Floors: the target of the nearest source, a dictionary of
    words learnt from the same pairs (IBM model 1), and the most usual target. BLEU and chrF of the test part are
    sacrebleu's, with intervals over its samples and, where there are more than one, draws. Raises `DataError` where
    there are no pairs to learn from or to judge by, `UsageError` where the encoder cannot serve a decoder.
    """
    with interrupt.listening():
        facts = signatures()
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        found = split(dataset, TASK, seed=seed, max_bad=max_bad)
        parts = (found.train, found.val and found.val.few(Translate.looks), _test(dataset, found.test))
        trial = trial_of(
            encoder, dataset, TASK, parts, effort, METRICS, seed=seed, totals=totals, draws=draws, unit="pairs"
        )
        protocol = {**trial.protocol, "validation": found.protocol, "signatures": facts}
        trial = replace(trial, recipe=RECIPE, judge=_judge, protocol=protocol)
        starts = (pretrained(trial, learner=_learner(encoder)), at_random(trial))
        return Proof(judged(trial, starts, FLOORS), dataset, encoder, "translation")


def _test(dataset: Dataset, part: Part | None) -> Part:
    if part is None:
        raise DataError(
            f"{dataset.name} has no test part with targets, and judging translations needs one ({dataset.protocol})"
        )
    return part.few(TESTED)


def _learner(encoder: TrainedEncoder) -> Callable[[], Mapping[str, Tensor]]:
    """Reads the state of the run that the encoder comes from, once; empty where there is none."""
    state = initial.Start(encoder.path, encoder).learner() if encoder.path else {}
    return lambda: state


def _judge(trial: Trial, answers: Iterator[tuple[Tensor, Answers]]) -> Kept:
    targets = trial.test.targets
    assert isinstance(targets, TextTargets)
    return _scored(trial, spelt([said for _, said in answers], targets))


def _scored(trial: Trial, written: Written) -> Kept:
    """BLEU and chrF, and the first text as an example."""
    return scored(trial, scores(written, _truth(trial.test))(trial.weights), {"example": written[0]})


def _by_dictionary(trial: Trial, rows: Tensor) -> Kept:
    sources, targets, asked = _pairs(trial, rows)
    return _scored(trial, Dictionary(sources, targets).translate(asked))


def _by_nearest(trial: Trial, rows: Tensor) -> Kept:
    return _scored(trial, nearest(*_pairs(trial, rows)))


def _usual(trial: Trial, rows: Tensor) -> Kept:
    (usual, _), *_ = Counter(_truth(trial.train.select(rows))).most_common(1)
    return _scored(trial, [usual] * len(trial.test.samples))


FLOORS = (
    Floor("IBM model 1", "raw", _by_dictionary),
    Floor("nearest source", "raw", _by_nearest),
    Floor(Translate.floor, "majority", _usual),
)


def _pairs(trial: Trial, rows: Tensor) -> tuple[Written, Written, Written]:
    """Sources and targets to learn from, and the sources of the test part."""
    part = trial.train.select(rows)
    return _sources(trial, part), _truth(part), _sources(trial, trial.test)


def _sources(trial: Trial, part: Part) -> list[str]:
    found: dict[int, str] = {}
    for row in sorted(part.samples.source_rows.tolist()):  # sources of records are cheap to read in rising order alone
        raw = trial.dataset.raw(row)
        assert isinstance(raw, bytes)
        found[row] = raw.decode("utf-8-sig").strip()
    return [found[row] for row in part.samples.source_rows.tolist()]


def _truth(part: Part) -> tuple[str, ...]:
    assert isinstance(part.targets, TextTargets)
    return part.targets.texts
