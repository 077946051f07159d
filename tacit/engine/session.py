"""What surrounds the steps of any run: log lines, health, checkpoints, signals, and going on after a stop."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch

from tacit import console, ranks
from tacit.core import Evaluator, Learner, Method, Progress
from tacit.engine import checkpoint, crew, environment, files, footprint, watch
from tacit.engine.behind import Writer
from tacit.engine.checkpoint import Checkpoint
from tacit.engine.plan import Plan
from tacit.engine.runfolder import RunFolder
from tacit.engine.settings import EngineConfig
from tacit.errors import Interrupted, RunError, UsageError, out_of_memory

log = logging.getLogger("tacit")


def tell(text: str) -> None:
    """A line to the user and to run.log."""
    console.say(text)
    log.info(text)


class Session:
    """The bookkeeping of one run; it knows when, not what."""

    def __init__(
        self,
        learner: Learner,
        optimiser: torch.optim.Optimizer | None,
        folder: RunFolder | None,
        config: EngineConfig,
        evaluators: Sequence[Evaluator],
        facts: Mapping[str, str],
        fingerprint: Mapping[str, str],
        shown: Sequence[Evaluator] = (),
        collect: Callable[[], None] | None = None,
    ) -> None:
        """`shown`: what is worth knowing for the user, and not for the learner, which does not hear it.

        `collect` brings `learner` and `optimiser` up to date where they lie in parts, in all processes together; None
        where each process has all of them.
        """
        self._learner, self._optimiser, self._folder, self._config = learner, optimiser, folder, config
        self._evaluators, self._shown, self._collect = evaluators, shown, collect
        self._facts, self._fingerprint = facts, dict(fingerprint) | _settings(config)
        self._step, self._whole, self._enough = 0, True, False
        self._written, self._writer = time.monotonic(), Writer()
        self._unlogged: dict[str, float] | None = None
        self._untrained: dict[str, float] = {}
        self.plan = Plan(0, 1, ())

    @property
    def progress(self) -> Progress:
        """Where the run stands."""
        return Progress(self._step, self.plan.total)

    @property
    def finished(self) -> bool:
        """Whether the run is at its end, by its plan or before it."""
        return self._step >= self.plan.total or self._learner.finished or self._enough

    def restore(self, *, allow_changes: bool) -> bool:
        """Take up the newest intact checkpoint; False where there is none yet.

        Raises `UsageError` where settings or environment differ in a way that changes bits, unless `allow_changes`.
        """
        assert self._folder is not None, "only a run with a folder resumes"
        found, complaints = checkpoint.newest(self._folder.checkpoints)
        for line in complaints:
            tell(line)
        if found is None:
            self._folder.cut_metrics(-1)
            return False
        self._compare(found, allow_changes=allow_changes)
        try:
            checkpoint.unpack(found.state(), self._learner, self._optimiser)
        except RuntimeError as error:  # torch's word for names or shapes that differ
            raise UsageError(f"{found.path} does not fit this method and encoder: {error}") from None
        checkpoint.discard_after(self._folder.checkpoints, found.step)
        self._step = self._writer.saved = found.step
        self._open(Plan.from_dict(found.manifest["plan"]))
        for record in self._folder.cut_metrics(found.step):
            self._enough |= any(alarm.ends for alarm in self._watch.see(record))
            self._note_untrained(record)
        tell(f"resumed at step {found.step} of {self.plan.total}")
        if found.manifest.get("unlogged"):
            self._log(found.manifest["unlogged"])
        return True

    def join(self, step: int, plan: Plan) -> None:
        """Stand where the first of several processes stands, which has taken up a run and given away its state."""
        self._step = step
        self._open(plan)

    def _compare(self, found: Checkpoint, *, allow_changes: bool) -> None:
        then = found.manifest["fingerprint"]
        names = sorted(then.keys() | self._fingerprint.keys())
        differing = [
            f"{name}: {then.get(name, 'not set')} then, {self._fingerprint.get(name, 'not set')} now"
            for name in names
            if then.get(name) != self._fingerprint.get(name)
        ]
        differing += environment.changes(found.manifest["environment"], self._facts)
        if not differing:
            return
        listed = "\n".join(f"  {line}" for line in differing)
        if not allow_changes:
            raise UsageError(
                f"{found.path.parent.parent} cannot be resumed to the same bits; not all is as it was:\n{listed}\n"
                "Put it back, start a new run from these weights with --init-from, or allow the changes."
            )
        tell(f"resumed with changes, so the result differs from that of an uninterrupted run:\n{listed}")

    def begin(self, plan: Plan, first: Mapping[str, float]) -> None:
        """Start a new run by a plan: look at the untrained learner, and find out now whether state can be written."""
        self._open(plan)
        self._whole = False  # a run that is stopped before its first line starts again
        log.info("a run of %d steps; settings %s; environment %s", plan.total, self._fingerprint, dict(self._facts))
        self._log(dict(first))
        self._whole = True
        self.save()
        self._writer.settle()

    def _open(self, plan: Plan) -> None:
        self.plan = plan
        contrasts = isinstance(self._learner, Method) and self._learner.contrasts
        self._watch = watch.Watch(self._config.optimiser, contrasts=contrasts)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Inside the block a signal saves and ends the run, and a failure says what is safe."""
        try:
            try:
                yield
                self._writer.settle()
            except Interrupted as stop:
                if self.plan.total and self._whole:
                    self.save()
                    self._writer.settle()
                where = f"step {self._step} of {self.plan.total}" if self.plan.total else "the first step"
                raise Interrupted(stop.exit_code - 128, f"stopped at {where}. {self._what_is_safe()}") from None
        except files.WriteError as error:
            raise RunError(f"{error}. {self._what_is_safe()}") from error
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            raise RunError(self._too_large(error)) from error

    def _too_large(self, error: BaseException) -> str:
        """What became of a run for whose steps there is no memory, and with which settings there may be."""
        done = f" at step {self._step} of {self.plan.total}" if self.plan.total else ""
        said = next((each for each in str(error).split(". ") if "allocate" in each), "no more can be had")
        learnt = f"--init-from {self._folder.path} and " if self._folder and self._writer.saved > 0 else ""
        return (
            f"out of memory{done} on {self._facts['device']} ({said.strip()}). What takes less: "
            f"{footprint.saved_by(self._config, self._facts)}. Start a new run with {learnt}another --out"
        )

    def _what_is_safe(self) -> str:
        if self._folder is None:
            return "Nothing was saved, since the run has no folder."
        with suppress(files.WriteError):  # what is told of already, or less than what is being told
            self._writer.settle()
        if self._writer.saved < 0:
            return f"Nothing had to be saved yet: start again with --resume --out {self._folder.path}"
        return f"The checkpoint of step {self._writer.saved} is safe: go on with --resume --out {self._folder.path}"

    @contextmanager
    def stepping(self) -> Iterator[None]:
        """Around what moves state: a stop inside the block must not save half a step."""
        crew.check()
        self._whole = False
        yield
        self._step += 1
        self._whole = True

    def after(self, record: Mapping[str, float] | None) -> None:
        """After a step: log `record` if there is one, look at health and write a checkpoint if it is time."""
        if record is not None:
            self._log(dict(record))
        due = self.finished or time.monotonic() - self._written >= self._config.checkpoint_seconds
        if self._collect is not None:  # all save when the first one does
            due = bool(ranks.agreed(torch.tensor(int(due))))
        if due:
            self.save()

    def _log(self, record: dict[str, float]) -> None:
        record = {"step": self._step, **record}
        if self._step in self.plan.checks:
            self._bring_up_to_date()
            self._require_numbers()
            if self._optimiser is not None:
                record["weights"] = _norm(self._learner)
            try:
                record |= self._health()
            except Interrupted:
                self._unlogged = record  # what the learner would have heard belongs to its state: look when resumed
                raise
            self._note_untrained(record)
        alarms = self._watch.see(record)
        self._add_metrics({**record, "alarms": [alarm.name for alarm in alarms]} if alarms else record)
        for alarm in alarms:
            if alarm.fatal:
                raise RunError(f"{alarm.text}. {self._what_is_safe()}")
            self._enough |= alarm.ends
            tell(f"{'note' if alarm.ends else 'warning'}: {alarm.text}")

    def _add_metrics(self, record: Mapping[str, Any]) -> None:
        if self._folder is not None:
            self._folder.add_metrics(record)

    def _health(self) -> dict[str, float]:
        health = look(self._learner, self._evaluators, self.progress)
        found = health | look(self._learner, self._shown, self.progress)
        self._learner.hear(health, self.progress)
        if found:
            untrained = self._untrained if self._step else {}
            tell(f"step {self._step} of {self.plan.total}: {watch.in_words(found, untrained)}")
        return found

    def _note_untrained(self, record: Mapping[str, float]) -> None:
        if record["step"] == 0:
            self._untrained = dict(record)

    def save(self) -> None:
        """Have a checkpoint written, unless this step has one; steps go on meanwhile.

        Raises `RunError` rather than save weights that are NaN, and `WriteError` where the one before was not written.
        """
        self._bring_up_to_date()  # whoever saves or not
        if self._folder is None or self._step == self._writer.newest:
            return
        self._require_numbers()
        manifest = {
            "step": self._step,
            "plan": self.plan.to_dict(),
            "encoder": checkpoint.encoder_prefix(self._learner),
            "fingerprint": self._fingerprint,
            "environment": dict(self._facts),
            "unlogged": self._unlogged,
        }
        self._writer.save(self._folder.checkpoints, self._learner, self._optimiser, manifest)
        self._written = time.monotonic()

    def _bring_up_to_date(self) -> None:
        if self._collect is not None:
            self._collect()

    def _require_numbers(self) -> None:
        if checkpoint.finite(self._learner):
            return
        for alarm in self._watch.see({"step": self._step, "loss": math.nan}):
            raise RunError(f"{alarm.text}. {self._what_is_safe()}")


def _norm(learner: Learner) -> float:
    """The norm of all trained weights, biases and scales left out."""
    weights = [weight for weight in learner.parameters() if weight.requires_grad and weight.ndim > 1]
    return math.sqrt(sum(float(weight.detach().float().square().sum()) for weight in weights))


def look(learner: Learner, evaluators: Sequence[Evaluator], progress: Progress) -> dict[str, float]:
    """What the evaluators say about a learner, which is left in training mode."""
    learner.eval()
    with torch.no_grad():
        health = {name: float(value) for evaluator in evaluators for name, value in evaluator(learner, progress)}
    learner.train()
    return health


def _settings(config: EngineConfig) -> dict[str, str]:
    """The engine's settings that bits depend on; those of the environment are compared as they turned out."""
    values = config.model_dump(mode="json")
    flat = {f"optimiser.{name}": str(value) for name, value in values["optimiser"].items()}
    return flat | {name: str(values[name]) for name in ("budget", "batch", "accumulate", "seed")}
