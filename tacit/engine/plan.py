"""The plan of a run: how many steps, and at which of them something is written or looked at.

A plan is made once, before the first step, and travels in every checkpoint: a run is a function of its settings and
its plan, whatever the clock does afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

EARLY = (100, 200)
"""Steps at which health is looked at in any run: what goes wrong goes wrong early."""
SHARE = 0.1
"""Largest share of a time budget that goes into looking at health."""


@dataclass(frozen=True)
class Plan:
    """The steps of a run."""

    total: int
    log_every: int
    checks: tuple[int, ...]
    """Steps done, in rising order, after which the evaluators run; 0 is the untrained learner."""

    def logs(self, done: int) -> bool:
        """Whether a line is written after `done` steps."""
        return done % self.log_every == 0 or done == self.total or done in self.checks

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"checks": list(self.checks)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Plan:
        """The plan that `to_dict` wrote."""
        return cls(values["total"], values["log_every"], tuple(values["checks"]))


def make(total: int, *, log_every: int | None, evaluations: int) -> Plan:
    """A plan of `total` steps with `evaluations` checks spread evenly, besides the first one and where those are far
    apart `EARLY`."""
    spread = {round(total * part / evaluations) for part in range(1, evaluations)}
    early = {step for step in EARLY if step * evaluations < total} if evaluations else set()
    every = log_every if log_every is not None else min(50, max(1, total // 200))
    return Plan(total, every, tuple(sorted({0, total} | early | spread)))


@dataclass(frozen=True)
class Costs:
    """Seconds, as measured."""

    step: float
    check: float
    checkpoint: float
    """Until one stands on the disk."""
    copy: float = 0.0
    """For how long one keeps the steps waiting, which go on while it is written."""


def within(left: float, costs: Costs, *, log_every: int | None, evaluations: int, checkpoint_seconds: float) -> Plan:
    """The plan that fills `left` seconds: as many steps as fit beside the checks and checkpoints, at least one.

    Checks take at most `SHARE` of the time, apart from the first and the last, which always happen. The first and the
    last checkpoint are waited for as a whole; those between cost their copy, and what is left to write of the one
    before where writing takes longer than the `checkpoint_seconds` from one to the next.
    """
    affordable = int(SHARE * left / max(costs.check, 1e-6)) - len(EARLY) - 1
    evaluations = max(0, min(evaluations, affordable))
    checks = 2 + (evaluations - 1 + len(EARLY) if evaluations else 0)
    every = max(checkpoint_seconds, costs.checkpoint, 1e-3)
    waiting = max(costs.copy, costs.checkpoint - checkpoint_seconds)
    for_steps = left - checks * costs.check - 2 * costs.checkpoint - left / every * waiting
    return make(max(1, round(for_steps / costs.step)), log_every=log_every, evaluations=evaluations)
