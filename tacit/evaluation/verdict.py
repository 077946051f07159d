"""Did pre-training help? One sentence with numbers, and it may be no."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tacit.evaluation.bootstrap import LEVEL, Interval, difference, interval

STRICT = 0.99
"""Level of the paired intervals behind the verdict: several floors at two budgets are looked at."""
STUDENT_99 = (3.75, 3.36, 3.14, 3.00, 2.90, 2.82, 2.76, 2.72, 2.68, 2.65)
"""One-sided 99 % points of Student's t with `PRIOR_WEIGHT` + n - 1 degrees of freedom, n = 1 to 10 encoders."""
PRIOR_SPREAD = 0.1
"""Standard deviation of the accuracy's logit over the seeds of an untrained encoder, before any is seen. A small
convolutional network on digits had .03 to .24 from 1 to all labels per class."""
PRIOR_WEIGHT = 4
"""How many degrees of freedom that guess is worth."""


@dataclass(frozen=True, eq=False)
class Contest:
    """The encoder and its floors at one number of labels."""

    budget: str
    """Such as `10 labels per class` or `all labels`."""
    encoder: Tensor
    """Correctness `[S, M]` of S draws on M test samples."""
    floors: Mapping[str, Tensor]
    """Name -> correctness `[S, M]` of what needs no pre-training, at least one; untrained encoders as their mean."""
    untrained: Sequence[float] = ()
    """Accuracy of each untrained encoder, one a seed."""
    rivals: Mapping[str, Tensor] = field(default_factory=dict)
    """Name -> correctness of other methods: shown, but nothing that pre-training has to beat."""


@dataclass(frozen=True)
class Verdict:
    """Whether pre-training helped, and the sentence that says so."""

    helped: bool
    sentence: str


def verdict(contests: Sequence[Contest], *, seed: int = 0, units: Tensor | None = None) -> Verdict:
    """Judge the encoder at each budget, fewest labels first.

    It helped at a budget if its accuracy lies above that of every floor, with the whole paired interval at the level
    `STRICT`, and above what one more untrained encoder may reach by luck (`exceeds_luck`). It helped if it did so at
    any budget. Once it has helped with few labels the later intervals are at the usual level, as in tests of fixed
    sequence: the question was answered, and what is left is by how much. `units` as in `bootstrap.interval`.
    """
    outcomes: list[bool] = []
    for contest in contests:
        outcomes.append(_beats_all(contest, LEVEL if outcomes[:1] == [True] else STRICT, seed, units))
    parts = [_opening(contests[0], outcomes[0], seed, units)]
    for contest, helped in zip(contests[1:], outcomes[1:], strict=True):
        parts.append(_closing(contest, helped, outcomes[0]))
    return Verdict(any(outcomes), " ".join([*parts, *_rivals(contests[0])]))


def exceeds_luck(reached: float, untrained: Sequence[float], samples: int) -> bool:
    """Whether the accuracy `reached` on `samples` test samples is more than one more untrained encoder may have.

    The bound is the upper 99 % prediction limit on the logits of the accuracies `untrained`, one a seed. A spread
    taken from three seeds is often far too small, so it is moderated by a prior one (Smyth 2004).
    """
    logits = torch.tensor([(value * samples + 0.5) / (samples + 1) for value in [reached, *untrained]]).logit().double()
    own, others = logits[0], logits[1:]
    n = len(others)
    squares = PRIOR_WEIGHT * PRIOR_SPREAD**2 + (others - others.mean()).square().sum()
    spread = (squares / (PRIOR_WEIGHT + n - 1) * (1 + 1 / n)).sqrt()
    return bool(own > others.mean() + STUDENT_99[min(n, len(STUDENT_99)) - 1] * spread)


def _beats_all(contest: Contest, level: float, seed: int, units: Tensor | None) -> bool:
    reached, samples = _mean(contest.encoder), contest.encoder.shape[1]
    if contest.untrained and not exceeds_luck(reached, contest.untrained, samples):
        return False
    gains = [
        difference(contest.encoder, floor, level=level, seed=seed, units=units) for floor in contest.floors.values()
    ]
    return all(gain.low > 0 for gain in gains)


def _opening(contest: Contest, helped: bool, seed: int, units: Tensor | None) -> str:
    own = interval(contest.encoder, seed=seed, units=units)
    floors = ", ".join(f"{name} {figure(_mean(floor))}" for name, floor in contest.floors.items())
    said = "it helped" if helped else _no(contest)
    return f"With {contest.budget} pre-training reaches {with_interval(own)}; {floors}: {said}."


def _closing(contest: Contest, helped: bool, before: bool) -> str:
    name, best = _best_floor(contest)
    reached = _mean(contest.encoder)
    gain = f"{100 * (reached - best):.1f} points"
    if helped and before:
        return f"With {contest.budget} the gain is {gain}."
    if helped:
        return f"With {contest.budget} it helped: {figure(reached)}, {gain} above {name}."
    return (
        f"With {contest.budget} {_no(contest)}{'' if before else ' either'}: {figure(reached)}, {name} {figure(best)}."
    )


def _no(contest: Contest) -> str:
    """How to say that it did not help: a gain that chance explains is told from none."""
    above = _mean(contest.encoder) > _best_floor(contest)[1]
    return "it did not help beyond chance" if above else "it did not help"


def _best_floor(contest: Contest) -> tuple[str, float]:
    means = {name: _mean(floor) for name, floor in contest.floors.items()}
    best = max(means, key=means.__getitem__)
    return best, means[best]


def _rivals(contest: Contest) -> list[str]:
    return [
        f"A rival, {name}, reaches {figure(_mean(right))} with {contest.budget}."
        for name, right in contest.rivals.items()
    ]


def _mean(correct: Tensor) -> float:
    return correct.double().mean().item()


def figure(value: float) -> str:
    """A share in three digits without the leading zero: `.958`, `1.000`."""
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def with_interval(interval: Interval) -> str:
    """`.958 [.951, .964]`."""
    return f"{figure(interval.value)} [{figure(interval.low)}, {figure(interval.high)}]"
