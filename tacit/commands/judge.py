"""Judge: `tacit evaluate`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tacit.commands.kinds import Commands
from tacit.errors import UsageError


def evaluate(
    encoder: str,
    data: str,
    *,
    task: str | None = None,
    labels: str | None = None,
    folds: int | None = None,
    leave_out: str | None = None,
    metric: str = "accuracy",
    horizons: str | None = None,
    fail_under: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    json_: Annotated[bool, Parameter(name="--json", negative="", show_default=False)] = False,
    out: Path | None = None,
    seed: int = 0,
    max_bad: float = 0.01,
) -> None:
    """Did it help? Judge an encoder on labelled data, beside every floor.

    Floors and trainings are kept in the cache once they are done: after a stop the same command goes on from there.

    Parameters
    ----------
    encoder
        A run folder, an encoder folder or a checkpoint.
    data
        Labelled data: as for `tacit train`, with classes.
    task
        Some of knn, linear, few-label, health, scratch, retrieval, semi, joined by commas; the first four where none is
        given. Or one of those with rows of their own: similarity (pairs with scores), search (queries and judgements),
        state (what episodes know beside observations), reward (what comes of their moments), detect, segment, tag (tags
        of words), recognise (transcripts), translate, language, forecast (what comes next in series), anomaly (steps
        that are marked), imputation (values that are hidden), next-item (of users, and theirs where none is given),
        cold-start (items that training did not see), layers (where in a transformer it stands), copies,
        few-label-finetuned, select; without any label proxy, a guess.
    labels
        Numbers of few labels in all, such as 40,250,4000: drawn evenly from the classes. Where none is given, few-label
        and semi take 1, 2, 5, 10, 25 and 100 per class. For detect, segment, tag, recognise and translate, numbers of
        labelled samples, such as 50,100; each has its own, and all, where none is given.
    folds
        How often they are drawn: 20, for few-label-finetuned 5, and 1 to 3 for the tasks that train on samples.
    leave_out
        fold or group, a column of the data: each of its values is tested in turn, by probes that learnt from all
        others. The encoder stays the same; what it has seen of them without labels is said.
    metric
        accuracy, or balanced for the mean of the classes' recalls (unweighted average recall), where some classes have
        far more samples than others.
    horizons
        Steps to forecast, such as 24,48: for the task forecast. Those of 24, 48, 168, 336 and 720 that the series are
        long enough for where none are given.
    fail_under
        Such as linear=0.8: exit with code 4 where the encoder stays under it; may be repeated.
    json_
        Print everything as JSON instead of the table.
    out
        Folder for evaluation.json and the curve; the run's own where none is given.
    seed
        Of label draws, splits and resamples.
    max_bad
        Largest share of files that may be unreadable.
    """
    from tacit import desk
    from tacit.encoder import load
    from tacit.proving import exams, outcome, proof

    limits = {name: _number(f"--fail-under {name}", value) for name, value in map(_pair, fail_under)}
    loaded = load(encoder)
    tasks = tuple(task.split(",")) if task else loaded.modality.tasks or proof.DEFAULT_TASKS
    totals = tuple(_count("--labels", each) for each in labels.split(",")) if labels else ()
    steps = tuple(_count("--horizons", each) for each in horizons.split(",")) if horizons else ()
    done = exams.judge(
        loaded,
        data,
        tasks=tasks,
        seed=seed,
        totals=totals,
        draws=folds,
        max_bad=max_bad,
        leave_out=leave_out,
        metric=metric,
        horizons=steps,
    )
    written = outcome.write(done, out if out is not None else desk.home(loaded.path))
    if json_:
        sys.stdout.write(json.dumps(done.to_json(), indent=1, ensure_ascii=False) + "\n")
    else:
        desk.show(done.evaluation)
    sys.stderr.write("written: " + ", ".join(str(path) for path in written) + "\n")
    outcome.gate(done.evaluation, limits)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--fail-under {text!r} must look like linear=0.8")
    return name, value


def _number(what: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{what}: {text!r} is no number") from None


def _count(option: str, text: str) -> int:
    if not text.strip().isdecimal():
        raise UsageError(f"{option}: {text!r} is no whole number; write several as 40,250,4000")
    return int(text)


COMMANDS: Commands = (
    (
        evaluate,
        """Examples:
  tacit evaluate runs/photos-simclr photos
  tacit evaluate runs/cifar cifar10 --task knn,linear --fail-under linear=0.6
  tacit evaluate runs/cifar cifar10 --task few-label,scratch --json > result.json
  tacit evaluate runs/cifar cifar10 --task few-label,semi --labels 40,250,4000 --folds 5
  tacit evaluate runs/clips clips.csv --leave-out fold --metric balanced
  tacit evaluate runs/speech spoken.csv --task recognise --labels 50,100
  tacit evaluate runs/grid grid.csv --task forecast --horizons 24,48
  tacit evaluate runs/pumps pumps.csv --task anomaly     does it know when something is wrong?
  tacit evaluate runs/cifar cifar10 --task select        does choosing what to label help?
  tacit evaluate runs/pong pong --task state             does it know where the ball is?
  tacit evaluate runs/pong pong --task reward            does it know whether a point is about to be made?
  tacit evaluate runs/gaps reviews.jsonl --task layers   which layers say most, and their sum""",
    ),
)
