"""The loop of learners without gradients: sums over batches, then a solve, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, count, islice, takewhile

import torch

from tacit import console
from tacit.core import ClosedForm, Evaluator, Progress, Samples
from tacit.engine import order
from tacit.engine.environment import environment
from tacit.engine.plan import Plan
from tacit.engine.runfolder import RunFolder
from tacit.engine.session import Session
from tacit.engine.settings import EngineConfig


def fit(
    learner: ClosedForm,
    samples: Samples,
    config: EngineConfig,
    folder: RunFolder | None = None,
    *,
    resume: bool = False,
    allow_changes: bool = False,
    evaluators: Sequence[Evaluator] = (),
    fingerprint: Mapping[str, str] | None = None,
) -> Progress:
    """Fit `learner` in place on the plain views of `samples`; a step is one batch, the last of a stage with its solve.

    The learner alone decides how long it runs, so the budget is not asked. Each stage reads samples in an order of its
    own, the last partial batch included, and the evaluators run after each stage. Otherwise as
    `tacit.engine.loop.fit`, errors included.
    """
    batch = min(config.batch_size(len(samples)), len(samples))
    wanted = [min(n, len(samples)) for n in takewhile(bool, map(learner.wanted, count()))]
    stages = [-(-n // batch) for n in wanted]
    ends, total = tuple(accumulate(stages)), sum(stages)
    # no autocast: sums over a whole data set need all their digits
    with environment(config, "fp32") as (fabric, facts):
        learner.to(fabric.device)
        session = Session(learner, None, folder, config, evaluators, facts, fingerprint or {})

        def advance(stage: int, position: int) -> None:
            torch.manual_seed(order.fold("step", config.seed, stage, position))
            rows = order.rows(config.seed, stage, position, batch, len(samples))[: wanted[stage] - position * batch]
            learner.absorb(samples.view(rows).to(fabric.device), stage)
            if position == stages[stage] - 1:
                learner.solve(stage)

        with session.guarded(), torch.no_grad():
            if not (resume and folder is not None and session.restore(allow_changes=allow_changes)):
                session.begin(Plan(total, max(1, total // 200), ends), {})
            todo = ((stage, position) for stage, batches in enumerate(stages) for position in range(batches))
            with console.progress("fitting", total) as tick:
                for stage, position in islice(todo, session.progress.step, None):
                    with session.stepping():
                        advance(stage, position)
                    done = session.progress.step
                    session.after({"stage": stage} if session.plan.logs(done) else None)
                    tick(done, f"stage {stage + 1} of {len(stages)}")
        return session.progress
