"""Does pre-training help to find things? `tacit evaluate --task detect`: one detector from several starts."""

from __future__ import annotations

from collections.abc import Sequence

from tacit import interrupt
from tacit.console import say
from tacit.data.dataset import Dataset
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError
from tacit.heads.boxes import BoxTargets
from tacit.heads.detect import Detect
from tacit.proving.outcome import Proof
from tacit.proving.starts import Floor, blind, four, judged
from tacit.proving.trial import Effort, Trial, parts_of, trial_of

TASK = "detect"
METRICS = ("AP50", "AP")
EFFORT = Effort(steps={10: 100, 50: 150}, steps_all=200, draws=3)


def detect(
    encoder: TrainedEncoder,
    data: str,
    *,
    seed: int = 0,
    totals: Sequence[int] = (),
    draws: int | None = None,
    max_bad: float = 0.01,
    effort: Effort = EFFORT,
) -> Proof:
    """Judge `encoder` by what it is worth to a detector of the boxes in `data`, beside its floors.

    The same detector is trained on `totals` of the labelled samples of the training part (10, 50 and all), with the
    same steps and draws, from the pre-trained encoder and from random weights, each learning as a whole and standing
    still under the detector; a floor that looks at nothing guesses the usual boxes. AP50 and AP of the test part are
    means over the draws, with intervals over draws and test samples. Raises `DataError` where there are no boxes to
    learn from or to judge by.
    """
    with interrupt.listening():
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        parts = parts_of(encoder, dataset, TASK, what="a box", max_bad=max_bad)
        trial = trial_of(encoder, dataset, TASK, parts, effort, METRICS, seed=seed, totals=totals, draws=draws)
        _check(dataset, trial)
        floors = [Floor(Detect.floor, "majority", blind)]
        return Proof(judged(trial, four(trial), floors), dataset, encoder, "detection")


def _check(dataset: Dataset, trial: Trial) -> None:
    """Say which classes a part lacks. Raises `DataError` where it has no box at all."""
    train, test = trial.train.targets, trial.test.targets
    assert isinstance(train, BoxTargets)
    assert isinstance(test, BoxTargets)
    for part, some in (("train", train), ("test", test)):
        if not (some.labels >= 0).any():
            raise DataError(
                f"no sample of the {part} part of {dataset.name} has a box: detection takes some in the training and "
                f"in the test part ({dataset.protocol})"
            )
    for number, name in enumerate(train.classes):
        missing = [part for part, some in (("training", train), ("test", test)) if not (some.labels == number).any()]
        if missing:
            say(f"note: no box of class {name!r} in the {' and the '.join(missing)} part")
