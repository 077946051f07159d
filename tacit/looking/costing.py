"""What training would take on this machine, by a trial of a few seconds."""

from __future__ import annotations

import copy
import os
import resource
import sys
import time

import torch

from tacit import training
from tacit.core import ClosedForm, Method
from tacit.data.dataset import Dataset
from tacit.data.subset import Subset
from tacit.engine import closed, loop, plan
from tacit.engine.settings import EngineConfig
from tacit.evaluation.health import watch_evaluator
from tacit.report.inspection import BUDGET, Cost
from tacit.settings import RunConfig

_CLOSED_TRIAL = 1_000


def estimate(config: RunConfig, dataset: Dataset, seconds: float) -> Cost | None:
    """What training by `config` would take, by a trial of about `seconds`; None where there is too little to train.

    The trial is the measurement that a budget of time is planned by. Memory is the most that this process has held so
    far: to be asked after the data were opened and before anything else. Raises `DataError` where the method cannot
    learn from the data.
    """
    samples = dataset.part("train")
    if len(samples) < 2:
        return None
    learner = training.make_learner(config, samples)
    parameters = sum(parameter.numel() for parameter in learner.parameters())
    batch = config.batch_size(len(samples))
    step = epochs = None
    if isinstance(learner, Method):
        augment = config.kind.augment(config.modality)
        health = watch_evaluator(samples, augment, (learner.views[0], learner.views[0]))
        costs = loop.trial(learner, samples, augment, config, evaluators=(health,), seconds=seconds)
        planned = plan.within(
            BUDGET,
            costs,
            log_every=None,
            evaluations=config.evaluations,
            checkpoint_seconds=config.checkpoint_seconds,
        )
        steps = max(1, len(samples) // batch)
        step, epochs, whole = costs.step, planned.total / steps, costs.step * steps
    else:
        assert isinstance(learner, ClosedForm)
        whole = _closed_seconds(learner, samples, config)
    cuda = config.device != "cpu" and torch.cuda.is_available()
    return Cost(
        method=config.method.name,
        encoder=config.encoder.name,
        parameters=parameters,
        device="cuda" if cuda else _processor(),
        seconds=whole,
        step=step,
        batch=batch,
        epochs=epochs,
        memory=torch.cuda.max_memory_reserved() if cuda else _peak(),
        available=torch.cuda.mem_get_info()[1] if cuda else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )


def _closed_seconds(learner: ClosedForm, samples: Subset, config: EngineConfig) -> float:
    """Seconds of a whole run, from one on some samples: what is summed over samples is taken to be all there is."""
    some = samples.select(torch.arange(min(_CLOSED_TRIAL, len(samples))))
    started = time.monotonic()
    closed.fit(copy.deepcopy(learner), some, config)
    return (time.monotonic() - started) * len(samples) / len(some)


def _processor() -> str:
    threads = torch.get_num_threads()
    return f"{threads} processor thread{'s' if threads > 1 else ''}"


def _peak() -> int:
    """The most memory that this process has held, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
