"""Does an encoder know what is coming? Linear probes of rewards and of the end of episodes: `--task reward`.

N training moments, M test moments, R resamples of the test episodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tacit import console, interrupt
from tacit.console import say
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.encoder import TrainedEncoder
from tacit.errors import DataError
from tacit.evaluation.events import ordered
from tacit.evaluation.features import must_be_finite
from tacit.evaluation.resampled import Resampled, compare
from tacit.evaluation.states import r2, regress
from tacit.proving.episodes import Moments, Row, must_have_moments, parted, resampled, rows_of, still
from tacit.proving.outcome import Proof
from tacit.truth.rewards import coming_of

TASK = "reward"
STEPS = 10
"""Steps within which something comes."""
RARE = 10
"""Training moments before which something has to come at least, and not to come, to be learnt from."""
MEAN_AUC, MEAN_AP, MEAN_R2 = "mean AUC", "mean average precision", "mean R2"
PROBES = "ridge regression, on 1 and 0 for what comes or not; a penalty each, chosen on training episodes"


@dataclass(frozen=True, eq=False)
class Asked:
    """The moments, and what comes of them."""

    moments: Moments
    events: Mapping[str, tuple[Tensor, Tensor]]
    """What comes or not -> whether it does at training and test moments, boolean `[N]` and `[M]`."""
    returns: Mapping[str, tuple[Tensor, Tensor]]
    """Sums of rewards there, float64."""
    left_out: Sequence[str]

    @property
    def protocol(self) -> dict[str, object]:
        """What is stored with every result."""
        rates = {name: float(second.double().mean()) for name, (_, second) in self.events.items()}
        more = {"left_out": list(self.left_out), "steps": STEPS, "rates": rates, "probes": PROBES}
        return {**self.moments.protocol, **more}


def reward(encoder: TrainedEncoder, data: str, *, seed: int = 0, max_bad: float = 0.01) -> Proof:
    """Judge `encoder` by what linear probes tell of the rewards and ends that come, beside its floors.

    Whether a reward comes next, or one or the end within 10 steps, is told by a score (area under the ROC curve,
    average precision), what rewards add up to as a number (R2), before anything of it is seen: the action is not
    known either. Probes are fitted and judged on different episodes, which are what intervals resample. Moments whose
    recording stops before the answer is known are left out. Raises `UsageError` for other kinds of data, `DataError`
    where nothing is known or can be judged.
    """
    must_have_moments(encoder, TASK)
    with interrupt.listening():
        dataset = encoder.open(data, seed=seed, max_bad=max_bad)
        asked = _asked(dataset, seed)
        measured = [each for row in rows_of(encoder, asked.moments) for each in _measured(row, asked, seed)]
        measured += _majority(asked)
        deciding = {}
        for metric, known in ((MEAN_AUC, asked.events), (MEAN_R2, asked.returns)):
            if known:
                episodes = asked.moments.weights.shape[1]
                deciding[metric] = f"{console.counted(len(known), 'questions')} of {episodes} test episodes"
        return Proof(compare(TASK, measured, deciding, seed=seed), dataset, encoder, TASK)


def _asked(dataset: Dataset, seed: int) -> Asked:
    coming = coming_of(dataset, STEPS)
    moments = parted(dataset, seed, torch.from_numpy(coming.told))
    events, returns, dull = {}, {}, []
    for name, came in coming.events.items():
        first, second = (torch.from_numpy(came[rows.numpy()]) for rows in (moments.train, moments.test))
        if min(int(first.sum()), int((~first).sum())) < RARE or bool(second.all()) or not bool(second.any()):
            dull.append(name)
        else:
            events[name] = first, second
    for name, sums in coming.returns.items():
        pair = tuple(torch.from_numpy(sums[rows.numpy()]) for rows in (moments.train, moments.test))
        if still(pair[0]) or still(pair[1]):
            dull.append(name)
        else:
            returns[name] = pair[0], pair[1]
    if not events and not returns:
        raise DataError(
            f"in {printable(dataset.name)} there is nothing to foretell: {', '.join(dull)} always comes, is always the "
            "same, or is too rare. Collect more episodes, or by a policy that gets rewards"
        )
    if dull:
        say(f"note: what always comes, is always the same, or is too rare is not asked for: {', '.join(dull)}")
    return Asked(moments, events, returns, dull)


def _measured(row: Row, asked: Asked, seed: int) -> list[Resampled]:
    """Each question by one row, and the means over questions."""
    found: dict[str, list[Tensor]] = {}
    moments = asked.moments
    known = {**asked.events, **asked.returns}
    values = torch.stack([first.double() for first, _ in known.values()], dim=1)
    for member in range(row.members):
        interrupt.check()
        train, test = (must_be_finite(row.features(each, member), row.name) for each in (moments.learnt, moments.asked))
        answers = regress(train, values, test, groups=moments.groups, seed=seed)
        for metric, judged in _judged(dict(zip(known, answers.T, strict=True)), asked).items():
            found.setdefault(metric, []).append(judged)
    return resampled(row.name, row.kind, found, {**asked.protocol, "dimension": train.shape[1]})


def _judged(answers: Mapping[str, Tensor], asked: Asked) -> dict[str, Tensor]:
    """Metric -> its value with all episodes and on each resample, `[1 + R]`; means over questions first."""
    episodes, weights = asked.moments.episodes, asked.moments.weights
    both = {name: ordered(answers[name], came, episodes, weights) for name, (_, came) in asked.events.items()}
    share = {name: r2(answers[name], sums, episodes, weights) for name, (_, sums) in asked.returns.items()}
    found: dict[str, Tensor] = {}
    if both:
        found[MEAN_AUC] = torch.stack([area for area, _ in both.values()]).mean(dim=0)
        found[MEAN_AP] = torch.stack([precision for _, precision in both.values()]).mean(dim=0)
    if share:
        found[MEAN_R2] = torch.stack(list(share.values())).mean(dim=0)
    for name, (area, precision) in both.items():
        found |= {f"{name}, AUC": area, f"{name}, average precision": precision}
    return found | {f"{name}, R2": value for name, value in share.items()}


def _majority(asked: Asked) -> list[Resampled]:
    """The same answer whatever the moment: half of the area, how often it comes as precision, the mean."""
    count = len(asked.moments.test)
    known = {**asked.events, **asked.returns}
    answers = {name: first.double().mean().expand(count) for name, (first, _) in known.items()}
    found = {metric: [values] for metric, values in _judged(answers, asked).items()}
    return resampled("majority", "majority", found, asked.protocol)
