"""The loop: any method on any samples."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import load as from_bytes

from tacit import console, interrupt, ranks
from tacit.core import Augmentation, Evaluator, Method, Progress, Samples
from tacit.engine import checkpoint, chosen, files, footprint, order, plan
from tacit.engine.crew import ALONE, Crew
from tacit.engine.environment import environment
from tacit.engine.footprint import Placing
from tacit.engine.plan import Plan
from tacit.engine.runfolder import RunFolder
from tacit.engine.session import Session, look, tell
from tacit.engine.settings import EngineConfig
from tacit.engine.trainer import Outcome, Trainer

if TYPE_CHECKING:
    from lightning_fabric import Fabric

WARMUP_STEPS = 3
"""Steps that are not timed: the first ones allocate, compile and fill caches."""
_GOLDEN = 0.6180339887498949
"""Multiples of it spread evenly over [0, 1), however many they are."""


def fit(
    learner: Method,
    samples: Samples,
    augment: Mapping[str, Augmentation],
    config: EngineConfig,
    folder: RunFolder | None = None,
    *,
    resume: bool = False,
    allow_changes: bool = False,
    evaluators: Sequence[Evaluator] = (),
    shown: Sequence[Evaluator] = (),
    fingerprint: Mapping[str, str] | None = None,
    crew: Crew = ALONE,
) -> Progress:
    """Train `learner` in place on `samples`, seen through `augment` (kind of view -> augmentation).

    With a `folder` the run leaves metrics and checkpoints there, and `resume` goes on from the newest of them to the
    same bits as if it had never stopped; `fingerprint` (name -> value) is whatever else those bits depend on. Signals
    are honoured between steps inside `interrupt.listening()`. In a `crew` of several each process calls this with the
    same learner and data, the first one alone with a folder, and all end with the same learner.

    Raises `Interrupted` on SIGINT and SIGTERM, once state is saved; `UsageError` where a run cannot be resumed to the
    same bits, unless `allow_changes`; `RunError` on a loss that is no number, a full disk, damaged checkpoints.
    """
    started = time.monotonic()
    placing = footprint.placed(learner, config, crew.size)
    with environment(config, config.precision, crew, weights=placing.weights) as (fabric, facts):
        fresh = Trainer(fabric, learner, samples, augment, config, parts=placing.weights == "parts")
        evaluators, shown = fresh.looking(evaluators), fresh.looking(shown)
        collect = fresh.collect if fresh.divided else None
        session = Session(
            learner, fresh.optimiser, folder, config, evaluators, facts, fingerprint or {}, shown, collect
        )
        with session.guarded():
            restored = resume and folder is not None and session.restore(allow_changes=allow_changes)
            if ranks.most(restored):
                _share(fresh, session)
            else:
                if folder is not None:
                    _say_what_with(fresh, folder, facts, placing)
                session.begin(
                    _plan(fabric, fresh, folder, (*evaluators, *shown), started), {"distinct": _distinct(fresh)}
                )
            _run(fresh, session)
        return session.progress


def _say_what_with(trainer: Trainer, folder: RunFolder, facts: Mapping[str, str], placing: Placing) -> None:
    """Tell the user, and run.json, what the run computes with and why."""
    found = chosen.chosen(trainer.config, facts, trainer.batch, len(trainer.samples), placing)
    tell(chosen.in_words(found))
    told = {each.name: {"value": each.value, "why": each.why} for each in found}
    folder.write(folder.facts, json.dumps({**told, "environment": dict(facts)}, indent=1))


def _share(trainer: Trainer, session: Session) -> None:
    """Give all processes the state that the first one has taken up."""
    if ranks.count() == 1:
        return
    state = checkpoint.pack(trainer.learner, trainer.optimiser)
    where = {"numbers": dict(state.numbers), "step": session.progress.step, "plan": session.plan.to_dict()}
    tensors, said = ranks.told(checkpoint.serialise(state)), json.loads(ranks.told(json.dumps(where).encode()))
    if ranks.number():
        checkpoint.unpack(checkpoint.State(from_bytes(tensors), said["numbers"]), trainer.learner, trainer.optimiser)
        session.join(said["step"], Plan.from_dict(said["plan"]))


def trial(
    learner: Method,
    samples: Samples,
    augment: Mapping[str, Augmentation],
    config: EngineConfig,
    *,
    evaluators: Sequence[Evaluator] = (),
    seconds: float,
) -> plan.Costs:
    """What a step and a look at health cost, by `seconds` of real steps on a copy; what `fit` plans a budget by."""
    with environment(config, config.precision) as (fabric, _):
        trainer = Trainer(fabric, learner, samples, augment, config)
        return _measure(fabric, trainer, None, evaluators, window=seconds)


def _run(trainer: Trainer, session: Session) -> None:
    meter, total = _Meter(trainer.batch), session.plan.total
    with console.progress("training", total) as tick:
        while not session.finished:
            with session.stepping():
                outcome = trainer.step(session.progress)
            meter.add(outcome)
            done = session.progress.step
            record = meter.read(outcome) if session.plan.logs(done) else None
            session.after(record)
            tick(done, meter.text)


class _Meter:
    """Speed and the share of time spent waiting for data, between two readings; and the words for the bar."""

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._since, self._steps, self._waited = time.monotonic(), 0, 0.0
        self.text = ""

    def add(self, outcome: Outcome) -> None:
        self._steps += 1
        self._waited += outcome.waited

    def read(self, outcome: Outcome) -> dict[str, float]:
        """The record of a step, with the speed since the last reading."""
        record = outcome.record()
        elapsed = time.monotonic() - self._since
        speed, waiting = self._steps * self._batch / elapsed, self._waited / elapsed
        self._since, self._steps, self._waited = time.monotonic(), 0, 0.0
        nothing = f" ({record['nothing_learnt']:.4g} is nothing learnt)" if record["nothing_learnt"] else ""
        self.text = (
            f"loss {record['loss']:.4g}{nothing}, lr {record['lr']:.2g}, "
            f"{speed:.0f} samples/s, {waiting:.0%} waiting for data"
        )
        return record | {"samples_per_second": round(speed, 1), "waiting": round(waiting, 4)}


def _distinct(trainer: Trainer) -> float:
    """The share of samples of the first batch that differ from its first one."""
    rows = order.rows(trainer.config.seed, 0, 0, trainer.batch, len(trainer.samples))
    x = trainer.samples.view(rows).x.flatten(1).nan_to_num()  # missing values are alike
    return float((x[1:] != x[:1]).any(1).float().mean()) if len(x) > 1 else 1.0


def _plan(
    fabric: Fabric, trainer: Trainer, folder: RunFolder | None, evaluators: Sequence[Evaluator], started: float
) -> Plan:
    """The plan by the budget; a budget of time becomes steps by measuring, once, on a copy that is thrown away."""
    config = trainer.config
    limit, budget = config.budget.seconds, config.budget
    if limit is None:
        total = budget.steps if budget.steps is not None else (budget.epochs or 1) * trainer.batches
        return plan.make(total, log_every=config.log_every, evaluations=config.evaluations)
    costs = _measure(fabric, trainer, folder, evaluators, window=min(max(3.0, 0.02 * limit), limit / 4))
    planned = plan.within(
        limit - (time.monotonic() - started),
        costs,
        log_every=config.log_every,
        evaluations=config.evaluations,
        checkpoint_seconds=config.checkpoint_seconds,
    )
    return Plan.from_dict(json.loads(ranks.told(json.dumps(planned.to_dict()).encode())))


def _measure(
    fabric: Fabric, trainer: Trainer, folder: RunFolder | None, evaluators: Sequence[Evaluator], window: float
) -> plan.Costs:
    """What a step, a check and a checkpoint cost, from about `window` seconds of real steps on a copy.

    The steps are spread over the run, since a method may do more in one part of it than in another.
    """
    learner, parts = copy.deepcopy(trainer.learner), trainer.divided
    copied = Trainer(fabric, learner, trainer.samples, trainer.augment, trainer.config, parts=parts)
    begun = time.monotonic()
    done, timed_from, first = 0, 0, begun
    while True:
        interrupt.check()
        place = done * _GOLDEN % 1
        copied.step(Progress(done, round(done / place) if done else 1)).loss()  # reading the loss waits for the device
        done += 1
        now = time.monotonic()
        if ranks.most(now - first >= window):  # asked by all after each step: their clocks differ
            break
        if done == WARMUP_STEPS:
            timed_from, first = done, now
    per_step = (now - first) / (done - timed_from)
    now = time.monotonic()
    copied.collect()
    look(copied.learner, evaluators, Progress(0, 1))
    check = time.monotonic() - now
    return plan.Costs(per_step, check, *(_written(copied, folder.checkpoints / "trial") if folder else (0.0, 0.0)))


def _written(trainer: Trainer, path: Path) -> tuple[float, float]:
    """Seconds until a checkpoint stands on the disk, and those of them for which steps wait, as `Writer` has it."""
    state = checkpoint.pack(trainer.learner, trainer.optimiser)
    held = checkpoint.copied(state)  # the memory of the first one serves all others
    now = time.monotonic()
    checkpoint.finite(trainer.learner)
    held = checkpoint.copied(state, held)
    copied = time.monotonic() - now
    files.write(path, checkpoint.serialise(held))
    whole = time.monotonic() - now
    path.unlink()
    return whole, copied
