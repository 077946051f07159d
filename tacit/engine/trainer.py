"""One optimiser step: a function of (seed, step) and the state it advances."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tacit import ranks
from tacit.core import Augmentation, Encoder, Evaluator, Method, Progress, Samples, Step, View, views_of
from tacit.engine import optimiser, order
from tacit.engine.settings import EngineConfig

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from tacit.engine.parts import Parts


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of one step. Its tensors are on the device: reading one waits for the device."""

    epoch: int
    lr: float
    steps: Sequence[Step]
    """One a micro-batch."""
    waited: float
    """Seconds spent on reading and viewing samples."""

    def loss(self) -> float:
        """The mean loss of this process's part of the batch."""
        return _mean([step.loss.detach().float().mean() for step in self.steps])

    def record(self) -> dict[str, float]:
        """The scalars of the step, for the log: means over all processes, which ask for them together."""
        means = {"loss": self.loss(), "nothing_learnt": _mean([step.nothing_learnt for step in self.steps])}
        means |= {name: _mean([step.metrics[name] for step in self.steps]) for name in self.steps[0].metrics}
        shared = ranks.summed(torch.tensor(list(means.values()), dtype=torch.float64)) / ranks.count()
        return {"epoch": self.epoch, "lr": self.lr, **dict(zip(means, shared.tolist(), strict=True))}


def _mean(values: Sequence[float | Tensor]) -> float:
    return sum(float(value) for value in values) / len(values)


class _Micro:
    """A micro-batch on its way through Fabric, which casts and copies the tensors of any class that it can open."""

    def __init__(self, views: Sequence[View], progress: Progress) -> None:
        self.views, self.progress = views, progress
        self.step: Step | None = None


class _Loss(nn.Module):
    """What Fabric wraps: a learner as a module from a micro-batch to the scalar that is minimised."""

    def __init__(self, learner: Method) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, micro: _Micro) -> Tensor:
        micro.step = self.learner(micro.views, micro.progress)
        return micro.step.loss.float().mean()


class Trainer:
    """A method, its optimiser and its data.

    Everything random is a hash of the seed with the step or with (epoch, sample, view): the state of a run is the
    learner's and the optimiser's alone.
    """

    def __init__(
        self,
        fabric: Fabric,
        learner: Method,
        samples: Samples,
        augment: Mapping[str, Augmentation],
        config: EngineConfig,
        *,
        parts: bool = False,
    ) -> None:
        """`parts`: whether each process holds a part of the weights, as `fabric` was told. `learner` and `optimiser`
        then lie in the CPU's memory, and are what they were until `collect`."""
        self.learner, self.samples, self.augment, self.config = learner, samples, augment, config
        shares = config.accumulate * fabric.world_size
        self.batch = max(1, config.batch_size(len(samples)) // shares) * shares
        self.batches = order.batches(len(samples), self.batch)
        self._fabric = fabric
        self.divided = parts
        if not parts:
            learner.to(fabric.device)  # before the optimiser is told of the parameters
        learner.train()
        for module in learner.modules():
            if isinstance(module, Encoder):
                module.chunk = config.chunk
        self.optimiser = optimiser.build(config.optimiser, learner, learner.rates)
        self._parts: Parts | None = None
        if not parts:
            self._at_work = learner, *fabric.setup(_Loss(learner), self.optimiser)

    def looking(self, evaluators: Sequence[Evaluator]) -> Sequence[Evaluator]:
        """The same evaluators, as they look at `learner`."""
        if not self.divided:
            return evaluators
        from tacit.engine.parts import near

        return near(evaluators, self._fabric.device)

    def collect(self) -> None:
        """Bring `learner` and `optimiser` up to date where they lie in parts: all processes together."""
        if self._parts is not None:
            self._parts.collect()

    def _divide(self) -> None:
        """Take up `learner` and `optimiser`, the same in all processes, in parts."""
        from tacit.engine.parts import Parts

        self._parts = Parts(self._fabric, self.learner, self.optimiser, self.config, _Loss)
        self._at_work = self._parts.learner, self._parts.module, self._parts.stepper

    def step(self, progress: Progress) -> Outcome:
        """Advance by one optimiser step, from `progress`."""
        if self.divided and self._parts is None:
            self._divide()  # no sooner, since a run that goes on gets its state first
        config, fabric, (learner, module, stepper) = self.config, self._fabric, self._at_work
        epoch, position = divmod(progress.step, self.batches)
        rows = order.rows(config.seed, epoch, position, self.batch, len(self.samples))
        rate = optimiser.learning_rate(config.optimiser, progress)
        optimiser.set_learning_rate(stepper, rate)
        steps, waited = [], 0.0
        for number, part in enumerate(rows.chunk(config.accumulate)):
            started = time.monotonic()
            own = part.chunk(fabric.world_size)[fabric.global_rank]
            micro = _Micro(self._views(own, epoch), progress)
            waited += time.monotonic() - started
            apart = fabric.global_rank * config.accumulate + number  # noise such as dropout's is each process's own
            torch.manual_seed(order.fold("step", config.seed, progress.step, apart))
            # gradients that lie in parts are sent at once: whole ones would have to be kept
            more = number < config.accumulate - 1 and not self.divided
            with self._whole_batch(), fabric.no_backward_sync(module, enabled=more):
                fabric.backward(module(micro) / config.accumulate)
            assert micro.step is not None, "the module has put it there"
            steps.append(micro.step)
        if config.optimiser.clip is not None:
            fabric.clip_gradients(module, stepper, max_norm=config.optimiser.clip, error_if_nonfinite=False)
        stepper.step()
        stepper.zero_grad(set_to_none=True)
        with torch.no_grad():
            learner.update(self._gathered(steps), progress)
        if self._parts is not None:
            self._parts.stale = True
        return Outcome(epoch, rate, steps, waited)

    def _views(self, rows: Tensor, epoch: int) -> list[View]:
        kinds, device = self.learner.views, self._fabric.device
        return views_of(self.samples, rows, kinds, self.augment, self.config.seed, epoch, device)

    def _whole_batch(self) -> AbstractContextManager[object]:
        return ranks.WholeBatch() if self._fabric.world_size > 1 else nullcontext()

    def _gathered(self, steps: Sequence[Step]) -> dict[str, Tensor]:
        """What the micro-batches carried, joined over them and over processes in the batch's order: `[B, ...]` each."""
        return {
            name: torch.cat([ranks.gathered(step.carry[name].detach())[0] for step in steps]) for name in steps[0].carry
        }
