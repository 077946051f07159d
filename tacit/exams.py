"""Every way to judge an encoder: the tasks on one vector a sample, and those that have an examination of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tacit.encoder import TrainedEncoder
from tacit.errors import UsageError, nearest
from tacit.proof import DEFAULT_TASKS, SCRATCH, Proof, prove

Exam = Callable[..., Proof]
"""Called as `exam(encoder, data, seed=..., max_bad=...)`."""

EXAMS: Mapping[str, Exam] = {}
"""Task -> examination with rows, floors and metrics of its own."""


def judge(
    encoder: TrainedEncoder, data: str, *, tasks: Sequence[str] = DEFAULT_TASKS, seed: int = 0, max_bad: float = 0.01
) -> Proof:
    """Judge `encoder` on `data` by `tasks`: either names of `EXAMS`, one at a time, or any of `proof.prove`."""
    known = (*DEFAULT_TASKS, SCRATCH, *EXAMS)
    for task in tasks:
        if task not in known:
            raise UsageError(f"no task {task!r}; {nearest(task, known)}")
    own = [task for task in tasks if task in EXAMS]
    if not own:
        return prove(encoder, data, tasks=tasks, seed=seed, max_bad=max_bad)
    if len(tasks) > 1:
        raise UsageError(f"task {own[0]} has rows and floors of its own: ask for it alone, not together with others")
    return EXAMS[own[0]](encoder, data, seed=seed, max_bad=max_bad)
