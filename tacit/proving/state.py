"""Does an encoder know the state? Probes of all that episodes say of it beside observations: `--task state`.

N training moments, M test moments, R resamples of the test episodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tacit import console, interrupt
from tacit.console import say
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError
from tacit.evaluation.features import must_be_finite
from tacit.evaluation.linear import linear_probe
from tacit.evaluation.resampled import Resampled, compare
from tacit.evaluation.states import LOW_ENTROPY, entropy, f1, r2, regress
from tacit.proving.episodes import Moments, Row, must_have_moments, parted, resampled, rows_of, still
from tacit.proving.outcome import Proof
from tacit.truth.states import states_of

TASK = "state"
MOST = 32
"""States that are asked for at most."""
CLASSES = 256
"""Whole numbers with as many values at most are classes, as in Anand et al. 2019; others are numbers."""
MEAN_F1, MEAN_WEIGHTED, MEAN_R2 = "mean F1", "mean weighted F1", "mean R2"
PROBES = (
    "logistic regression on classes, its penalty chosen for the state of most entropy; ridge regression on numbers, a "
    "penalty each; chosen on training episodes"
)


@dataclass(frozen=True, eq=False)
class Asked:
    """The moments, and what is known of them."""

    moments: Moments
    classes: Mapping[str, tuple[Tensor, Tensor]]
    """State -> its classes at training and test moments, long `[N]` and `[M]`; those that are learnt come first."""
    numbers: Mapping[str, tuple[Tensor, Tensor]]
    """State -> its values there, float."""
    left_out: Sequence[str]

    @property
    def protocol(self) -> dict[str, object]:
        """What is stored with every result."""
        return {**self.moments.protocol, "left_out": list(self.left_out), "probes": PROBES}


def state(encoder: TrainedEncoder, data: str, *, seed: int = 0, max_bad: float = 0.01) -> Proof:
    """Judge `encoder` by what linear probes tell of the states that the episodes of `data` know, beside its floors.

    Whole numbers of at most 256 values are classes (logistic regression, F1), all others numbers (ridge regression,
    R2); both are fitted and judged on different episodes, which are what intervals resample. States that hardly change
    are left out. Raises `UsageError` for other kinds of data, `DataError` where nothing is known or can be judged.
    """
    must_have_moments(encoder, TASK)
    with interrupt.listening():
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        asked = _asked(dataset, seed)
        measured = [each for row in rows_of(encoder, asked.moments) for each in _measured(row, asked, seed)]
        measured += _majority(asked)
        deciding = {}
        for metric, known in ((MEAN_F1, asked.classes), (MEAN_R2, asked.numbers)):
            if known:
                episodes = asked.moments.weights.shape[1]
                deciding[metric] = f"{console.counted(len(known), 'states')} of {episodes} test episodes"
        return Proof(compare(TASK, measured, deciding, seed=seed), dataset, encoder, TASK)


def _asked(dataset: Dataset, seed: int) -> Asked:
    known = states_of(dataset)
    moments = parted(dataset, seed)
    classes, numbers, dull = {}, {}, []
    for name, values in known.items():
        first, second = (
            torch.from_numpy(values[rows.numpy()].astype(np.float64)) for rows in (moments.train, moments.test)
        )
        finite = bool(first.isfinite().all() and second.isfinite().all())
        coded = _coded(first, second) if values.dtype.kind in "iub" and finite else None
        if not finite or (entropy(coded[0]) < LOW_ENTROPY if coded else still(first)):
            dull.append(name)
        elif coded:
            classes[name] = coded
        else:
            numbers[name] = first, second
    classes, numbers = _most(classes), _most(numbers)
    _say_left_out(dull, len(known) - len(dull) - len(classes) - len(numbers))
    if not classes and not numbers:
        raise DataError(f"no state of {printable(dataset.name)} changes enough to be asked for: {', '.join(known)}")
    return Asked(moments, classes, numbers, dull)


def _coded(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor] | None:
    """Whole numbers as classes, those of the training part first, then those that only the test part has; None for
    more than 256."""
    values = torch.unique(train)
    new = torch.unique(test[~torch.isin(test, values)])
    if len(values) + len(new) > CLASSES:
        return None
    order = {value: code for code, value in enumerate([*values.tolist(), *new.tolist()])}
    first, second = (torch.tensor([order[value] for value in each.tolist()]) for each in (train, test))
    return first, second


def _most(known: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, tuple[Tensor, Tensor]]:
    """Of many states those that are told apart most, in their own order."""
    ranked = sorted(known, key=lambda name: -entropy(known[name][0]))[:MOST]
    return {name: pair for name, pair in known.items() if name in ranked}


def _say_left_out(dull: Sequence[str], more: int) -> None:
    if dull:
        shown = ", ".join(dull[:6]) + (f" and {len(dull) - 6} more" if dull[6:] else "")
        say(f"note: what hardly ever changes, or is not known everywhere, is not asked for: {shown}")
    if more:
        say(f"note: {more} further states are not asked for: these {MOST} change most")


def _measured(row: Row, asked: Asked, seed: int) -> list[Resampled]:
    """Each state by one row, and the means over states."""
    found: dict[str, list[Tensor]] = {}
    work = row.members * (len(asked.classes) + len(asked.numbers))
    moments = asked.moments
    with console.progress(row.name, work) as tick:
        for member in range(row.members):
            train, test = (
                must_be_finite(row.features(each, member), row.name) for each in (moments.learnt, moments.asked)
            )
            answers: dict[str, Tensor] = {}
            penalty: float | None = None
            for name in sorted(asked.classes, key=lambda name: -entropy(asked.classes[name][0])):
                interrupt.check()
                labels = asked.classes[name][0]
                kinds = int(labels.max()) + 1
                probe = linear_probe(train, labels, test, kinds, groups=moments.groups, seed=seed, c=penalty)
                answers[name], penalty = probe.predictions, probe.c
                tick(member * (work // row.members) + len(answers), name)
            if asked.numbers:
                values = torch.stack([first for first, _ in asked.numbers.values()], dim=1)
                told = regress(train, values, test, groups=moments.groups, seed=seed)
                answers |= dict(zip(asked.numbers, told.T, strict=True))
            for metric, values in _judged(answers, asked).items():
                found.setdefault(metric, []).append(values)
    return resampled(row.name, row.kind, found, {**asked.protocol, "dimension": train.shape[1]})


def _judged(answers: Mapping[str, Tensor], asked: Asked) -> dict[str, Tensor]:
    """Metric -> its value with all episodes and on each resample, `[1 + R]`; means over states first."""
    episodes, weights = asked.moments.episodes, asked.moments.weights
    both = {name: f1(answers[name], labels, episodes, weights) for name, (_, labels) in asked.classes.items()}
    share = {name: r2(answers[name], values, episodes, weights) for name, (_, values) in asked.numbers.items()}
    found: dict[str, Tensor] = {}
    if both:
        found[MEAN_F1] = torch.stack([macro for macro, _ in both.values()]).mean(dim=0)
        found[MEAN_WEIGHTED] = torch.stack([weighted for _, weighted in both.values()]).mean(dim=0)
    if share:
        found[MEAN_R2] = torch.stack(list(share.values())).mean(dim=0)
    found |= {f"{name}, F1": macro for name, (macro, _) in both.items()}
    return found | {f"{name}, R2": value for name, value in share.items()}


def _majority(asked: Asked) -> list[Resampled]:
    """The commonest class and the mean of the training part, whatever the moment."""
    count = len(asked.moments.test)
    answers = {name: first.mode().values.expand(count) for name, (first, _) in asked.classes.items()}
    answers |= {name: first.mean().expand(count) for name, (first, _) in asked.numbers.items()}
    found = {metric: [values] for metric, values in _judged(answers, asked).items()}
    return resampled("majority", "majority", found, asked.protocol)
