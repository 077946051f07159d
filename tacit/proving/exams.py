"""Every way to judge an encoder: the tasks on one vector a sample, and those that have an examination of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tacit.encoder import TrainedEncoder
from tacit.errors import UsageError, nearest
from tacit.evaluation.tasks import TASKS
from tacit.proving import (
    anomalies,
    choosing,
    cold_start,
    copies,
    detection,
    few_labels,
    forecasting,
    imputation,
    language,
    layers,
    next_item,
    proxy,
    recognition,
    reward,
    searching,
    segmentation,
    similarity,
    state,
    tagging,
    translation,
)
from tacit.proving.outcome import Proof
from tacit.proving.proof import BALANCED_NAME, DEFAULT_TASKS, SCRATCH, prove
from tacit.proving.schooled import must_not_know, told_of_labels

METRICS = ("accuracy", BALANCED_NAME)
"""What tasks on classes are judged by."""
Exam = Callable[..., Proof]
"""Called as `exam(encoder, data, seed=..., max_bad=...)`."""

EXAMS: Mapping[str, Exam] = {
    anomalies.TASK: anomalies.anomaly,
    cold_start.TASK: cold_start.cold_start,
    copies.TASK: copies.copies,
    forecasting.TASK: forecasting.forecast,
    imputation.TASK: imputation.imputation,
    language.TASK: language.language,
    layers.TASK: layers.layers,
    next_item.TASK: next_item.next_item,
    proxy.TASK: proxy.proxy,
    reward.TASK: reward.reward,
    similarity.TASK: similarity.similarity,
    searching.TASK: searching.search,
    state.TASK: state.state,
}
"""Task -> examination with rows, floors and metrics of its own."""
LABEL_EXAMS: Mapping[str, Exam] = {
    few_labels.TASK: few_labels.few_labels_finetuned,
    choosing.TASK: choosing.choosing,
    detection.TASK: detection.detect,
    segmentation.TASK: segmentation.segment,
    tagging.TASK: tagging.tag,
    recognition.TASK: recognition.recognise,
    translation.TASK: translation.translate,
}
"""The same for those that also read `totals` and `draws`."""


def judge(
    encoder: TrainedEncoder,
    data: str,
    *,
    tasks: Sequence[str] = DEFAULT_TASKS,
    seed: int = 0,
    totals: Sequence[int] = (),
    draws: int | None = None,
    max_bad: float = 0.01,
    leave_out: str | None = None,
    metric: str = METRICS[0],
    horizons: Sequence[int] = (),
) -> Proof:
    """Judge `encoder` on `data` by `tasks`: an examination of its own, one at a time, or any of `proof.prove`.

    `totals` and `draws`: numbers of labels in all, and how often each is drawn, for the tasks that ask for them;
    `leave_out` (a column) and `metric` (of `METRICS`): for those of `proof.prove`; `horizons`: for forecasts.
    """
    _must_be_known(tasks, draws, metric, horizons)
    own = [task for task in tasks if task in (*EXAMS, *LABEL_EXAMS)]
    if leave_out is None and not set(own) & EXAMS.keys():
        must_not_know(encoder, data, seed=seed, max_bad=max_bad)
    if not own:
        done = prove(
            encoder,
            data,
            tasks=tasks,
            seed=seed,
            totals=totals,
            draws=draws,
            max_bad=max_bad,
            leave_out=leave_out,
            balanced=metric == BALANCED_NAME,
        )
        return told_of_labels(done)
    if len(tasks) > 1:
        raise UsageError(f"task {own[0]} has rows and floors of its own: ask for it alone, not together with others")
    if leave_out is not None or metric != METRICS[0]:
        raise UsageError(
            f"task {own[0]} has a split and figures of its own: leave out --leave-out and --metric, or judge by "
            f"{', '.join(DEFAULT_TASKS)}"
        )
    if own[0] in LABEL_EXAMS:
        return told_of_labels(
            LABEL_EXAMS[own[0]](encoder, data, seed=seed, totals=totals, draws=draws, max_bad=max_bad)
        )
    if totals or draws:
        raise UsageError(f"task {own[0]} sets its own numbers of labels: leave out --labels and --folds")
    if horizons:
        return told_of_labels(forecasting.forecast(encoder, data, seed=seed, max_bad=max_bad, horizons=horizons))
    return told_of_labels(EXAMS[own[0]](encoder, data, seed=seed, max_bad=max_bad))


def _must_be_known(tasks: Sequence[str], draws: int | None, metric: str, horizons: Sequence[int]) -> None:
    """Raise `UsageError` with the nearest valid name where one of them is none."""
    known = (*TASKS, SCRATCH, *EXAMS, *LABEL_EXAMS)
    for task in tasks:
        if task not in known:
            raise UsageError(f"no task {task!r}; {nearest(task, known)}")
    if draws is not None and draws < 1:
        raise UsageError(f"--folds {draws}: give 1 or more")
    if metric not in METRICS:
        raise UsageError(f"no metric {metric!r}; {nearest(metric, METRICS)}")
    if horizons and list(tasks) != [forecasting.TASK]:
        raise UsageError(f"--horizons are steps to forecast: ask for --task {forecasting.TASK}, or leave them out")
