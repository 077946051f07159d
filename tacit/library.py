"""The same commands for Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tacit.acting.learning import learn
from tacit.acting.settings import configure as configure_play
from tacit.adapting import finetuning
from tacit.agent import TrainedAgent
from tacit.applying import predicting, selecting
from tacit.encoder import TrainedEncoder, load
from tacit.model import TrainedModel, load_model
from tacit.proving.exams import judge
from tacit.proving.outcome import Proof
from tacit.proving.proof import DEFAULT_TASKS
from tacit.training import configure, encoder_named
from tacit.training import train as run


def train(
    data: str | Path,
    out: str | Path,
    *,
    method: str | None = None,
    encoder: str | None = None,
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
) -> TrainedEncoder:
    """Learn an encoder from unlabelled data; the run stands in the folder `out`.

    Args:
        data: folder, archive, list, array file or built-in name, as for `tacit train`.
        out: a folder that is new or empty, or, with `resume`, that of the run to go on with.
        method, encoder, preset: as for `tacit train`; where neither this nor
            `settings` names a method, one is chosen by what was measured, and said.
        settings: any other settings, nested as in `tacit train --print-config`.
        resume: go on with the run in `out`, to the same bits as if it had never stopped.

    Raises:
        tacit.errors.TacitError: with what was given, what was expected and what to do.
    """
    told: list[Mapping[str, Any]] = [settings or {}, {"data": str(data)}]
    if method is not None:
        told.append({"method": {"name": method}})
    if encoder is not None:
        told.append({"encoder": encoder_named(encoder)})
    config = configure(told, preset=preset, resume=Path(out) if resume else None)
    return run(config, Path(out), resume=resume)


def finetune(
    encoder: str | Path,
    data: str | Path,
    out: str | Path,
    *,
    task: str = "classify",
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
) -> TrainedModel:
    """Teach an encoder a task from labels; the run stands in the folder `out`, its figures in `out/finetune.json`.

    Args:
        encoder: a run folder, an encoder folder, a checkpoint, or published weights.
        data: labelled data, as for `tacit finetune`.
        out: a folder that is new or empty, or, with `resume`, that of the run to go on with.
        task: classify, multilabel, regress, segment, detect, tag or recognise.
        settings: any other settings, nested as in `tacit finetune --print-config`.
        resume: go on with the run in `out`, to the same bits as if it had never stopped.

    Raises:
        tacit.errors.TacitError: with what was given, what was expected and what to do.
    """
    told = [settings or {}, {"init_from": str(encoder), "data": str(data), "head": {"name": task}}]
    config = finetuning.configure(told, resume=Path(out) if resume else None)
    model, _ = finetuning.finetune(config, Path(out), resume=resume)
    return model


def predict(
    model: TrainedModel | str | Path, data: str | Path, out: str | Path | None = None, *, batch: int = 256
) -> dict[str, Any]:
    """Answer about all samples of `data` with a fine-tuned model.

    Returns a list or an array of N values by name: `name`, and for classes `probabilities [N, K]` in the order of
    `model.classes`, for numbers `values [N, K]`, for tags `tokens`, `tags` and `spans`, for speech `texts`. With `out`
    the answers are written there, sample by sample, as `tacit predict` does, and nothing is kept in memory or returned.
    """
    loaded = model if isinstance(model, TrainedModel) else load_model(model)
    if out is None:
        return predicting.predict(loaded, str(data), batch=batch)
    predicting.predict_to(loaded, str(data), Path(out), batch=batch)
    return {}


def evaluate(
    encoder: TrainedEncoder | str | Path,
    data: str | Path,
    *,
    tasks: Sequence[str] = DEFAULT_TASKS,
    labels: Sequence[int] = (),
    folds: int | None = None,
    seed: int = 0,
    leave_out: str | None = None,
    metric: str = "accuracy",
    horizons: Sequence[int] = (),
) -> Proof:
    """Judge an encoder on labelled data, beside every floor; see `Proof.evaluation`.

    Args:
        encoder: an encoder, or where one stands.
        data: labelled data, as for `tacit evaluate`.
        tasks: as for `tacit evaluate`.
        labels: numbers of few labels in all, such as 40, 250, 4000, drawn evenly from the classes.
        folds: how often they are drawn.
        seed: of label draws, splits and resamples.
        leave_out: `fold` or `group`, a column of the data: each of its values is tested in turn.
        metric: `accuracy`, or `balanced` for the mean of the classes' recalls.
        horizons: steps to forecast, for the task `forecast`.
    """
    loaded = encoder if isinstance(encoder, TrainedEncoder) else load(encoder)
    return judge(
        loaded,
        str(data),
        tasks=tasks,
        seed=seed,
        totals=labels,
        draws=folds,
        leave_out=leave_out,
        metric=metric,
        horizons=horizons,
    )


def play(
    env: str,
    out: str | Path,
    *,
    init_from: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
) -> TrainedAgent:
    """Learn to act in an environment of gymnasium; the run stands in the folder `out`, its returns in `out/agent.json`.

    Args:
        env: the environment's id, one whose actions are choices.
        out: a folder that is new or empty, or, with `resume`, that of the run to go on with.
        init_from: the encoder to start from: a run, an encoder or a checkpoint.
        settings: any other settings, nested as in `tacit play --print-config`.
        resume: go on with the run in `out`, from its last checkpoint.

    Raises:
        tacit.errors.TacitError: with what was given, what was expected and what to do.
    """
    told: list[Mapping[str, Any]] = [settings or {}, {"env": env}]
    if init_from is not None:
        told.append({"init_from": str(init_from)})
    agent, _ = learn(configure_play(told, resume=Path(out) if resume else None), Path(out), resume=resume)
    return agent


def select(
    encoder: TrainedEncoder | str | Path, data: str | Path, budget: int, *, method: str = "kmedoids", seed: int = 0
) -> list[str]:
    """The names of `budget` samples of `data` to label first, the most telling first; labelled ones are passed over."""
    loaded = encoder if isinstance(encoder, TrainedEncoder) else load(encoder)
    chosen = selecting.select(loaded, str(data), budget=budget, method=method, seed=seed)
    return list(chosen.samples.names)
