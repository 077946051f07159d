"""The commands. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Group, Parameter

from tacit.errors import UsageError

app = App(
    name="tacit",
    help="Learn representations from unlabelled data, prove that it helped, and use the result.",
    help_format="plaintext",
    help_epilogue="""Start here:
  tacit demo                             two minutes, no data needed
  tacit train photos --time 10m          learn from a folder, without labels
  tacit evaluate runs/photos-simclr photos      did it help? with all floors
  tacit embed runs/photos-simclr photos --out vectors.parquet

`tacit COMMAND --help` shows examples. Results go to stdout, all else to stderr.""",
    version=version("tacit"),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
app.register_install_completion_command()

BUDGET = Group("How long (one of them; 10 minutes where none is given)")
RECIPE = Group("What is learnt and how")
PLACE = Group("Where it goes")
Switch = Parameter(negative="", show_default=False)


@app.command(
    help_epilogue="""Examples:
  tacit train photos
  tacit train cifar10 --time 5m --out runs/cifar
  tacit train scans.zip --method rotation --encoder resnet18 --epochs 50
  tacit train list.csv --set method.temperature=0.1 --set modality.strong.flip=0
  tacit train --resume --out runs/cifar        go on after a stop, to the same bits
  tacit train photos --init-from runs/cifar    a new run from old weights"""
)
def train(
    data: str | None = None,
    *,
    method: Annotated[str | None, Parameter(group=RECIPE)] = None,
    encoder: Annotated[str | None, Parameter(group=RECIPE)] = None,
    preset: Annotated[str | None, Parameter(group=RECIPE)] = None,
    init_from: Annotated[str | None, Parameter(group=RECIPE)] = None,
    batch: Annotated[int | None, Parameter(group=RECIPE)] = None,
    lr: Annotated[float | None, Parameter(group=RECIPE)] = None,
    seed: Annotated[int | None, Parameter(group=RECIPE)] = None,
    config: Annotated[Path | None, Parameter(group=RECIPE)] = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", group=RECIPE, negative="", show_default=False)] = (),
    time: Annotated[str | None, Parameter(group=BUDGET)] = None,
    epochs: Annotated[int | None, Parameter(group=BUDGET)] = None,
    steps: Annotated[int | None, Parameter(group=BUDGET)] = None,
    out: Annotated[Path | None, Parameter(group=PLACE)] = None,
    resume: Annotated[bool, Parameter(group=PLACE, negative="", show_default=False)] = False,
    allow_changes: Annotated[bool, Parameter(group=PLACE, negative="", show_default=False)] = False,
    max_bad: Annotated[float | None, Parameter(group=PLACE)] = None,
    dry_run: Annotated[bool, Switch] = False,
    print_config: Annotated[bool, Switch] = False,
) -> None:
    """Learn an encoder from unlabelled data.

    DATA is a folder, a .zip or .tar, a .csv or .txt list of paths, a .npy or .npz file, or one of
    the built-in names digits, cifar10, cifar100. Sub-folders name classes, which training ignores.

    Parameters
    ----------
    data
        What to learn from.
    method
        Pretext task: see `tacit methods`.
    encoder
        convnet, resnet18, or any model of timm by name.
    preset
        Recipe of the method, such as paper or tutorial: see `tacit methods NAME`.
    init_from
        Start from the weights of a run, an encoder or a checkpoint.
    batch
        Samples per optimiser step.
    lr
        Largest learning rate.
    seed
        Everything random is a function of it.
    config
        YAML file with settings, such as the config.yaml of a run.
    set_
        Any setting by its path in --print-config, such as method.temperature=0.1; may be repeated.
    time
        Such as 90s, 10m or 1h30m.
    epochs
        Passes over the data.
    steps
        Optimiser steps.
    out
        Folder of the run; runs/DATA-METHOD where none is given.
    resume
        Go on with the run in --out, to the same bits as if it had never stopped.
    allow_changes
        Resume although threads, versions or settings differ, to other bits.
    max_bad
        Largest share of files that may be unreadable.
    dry_run
        Say what would run, and stop.
    print_config
        Print all settings as YAML, and stop.
    """
    from tacit import desk, settings, training

    short = {
        "data": data,
        "init_from": init_from,
        "batch": batch,
        "seed": seed,
        "max_bad": max_bad,
        "method": {"name": method} if method else None,
        "encoder": training.encoder_named(encoder) if encoder else None,
        "optimiser": {"lr": lr} if lr is not None else None,
        "budget": {"time": time, "epochs": epochs, "steps": steps} if time or epochs or steps else None,
    }
    layers: list[dict[str, Any]] = [settings.read_config_file(config)] if config else []
    layers += [{name: value for name, value in short.items() if value is not None}, settings.assign(set_)]
    if resume and out is None:
        raise UsageError(f"--resume needs --out, the run to go on with; {desk.resumable(desk.RUNS)}")
    run = training.configure(layers, preset=preset, resume=out if resume else None)
    if print_config:
        sys.stdout.write(run.to_yaml())
        return
    if dry_run:
        sys.stdout.write(desk.rehearse(run))
        return
    folder = out if out is not None else desk.free_folder(run.data, run.method.name)
    training.train(run, folder, resume=resume, allow_changes=allow_changes)
    sys.stdout.write(f"{folder / 'encoder'}\n")
    sys.stderr.write(desk.next_steps(folder, run.data))


@app.command(
    help_epilogue="""Examples:
  tacit evaluate runs/photos-simclr photos
  tacit evaluate runs/cifar cifar10 --task knn,linear --fail-under linear=0.6
  tacit evaluate runs/cifar cifar10 --task few-label,scratch --json > result.json"""
)
def evaluate(
    encoder: str,
    data: str,
    *,
    task: str | None = None,
    fail_under: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    json_: Annotated[bool, Parameter(name="--json", negative="", show_default=False)] = False,
    out: Path | None = None,
    seed: int = 0,
    max_bad: float = 0.01,
) -> None:
    """Did it help? Judge an encoder on labelled data, beside every floor.

    Parameters
    ----------
    encoder
        A run folder, an encoder folder or a checkpoint.
    data
        Labelled data: as for `tacit train`, with classes.
    task
        Some of knn, linear, few-label, health, scratch, joined by commas; all but scratch where none is given.
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
    from tacit import desk, proof
    from tacit.encoder import load

    limits = {name: _number(f"--fail-under {name}", value) for name, value in map(_pair, fail_under)}
    loaded = load(encoder)
    tasks = tuple(task.split(",")) if task else proof.DEFAULT_TASKS
    done = proof.prove(loaded, data, tasks=tasks, seed=seed, max_bad=max_bad)
    written = proof.write(done, out if out is not None else desk.home(loaded.path))
    if json_:
        sys.stdout.write(json.dumps(done.to_json(), indent=1, ensure_ascii=False) + "\n")
    else:
        desk.show(done.evaluation)
    sys.stderr.write("written: " + ", ".join(str(path) for path in written) + "\n")
    proof.gate(done.evaluation, limits)


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


@app.command(
    help_epilogue="""Examples:
  tacit embed runs/photos-simclr photos --out vectors.parquet
  tacit embed runs/photos-simclr new.zip --out vectors.npy"""
)
def embed(encoder: str, data: str, *, out: Path, batch: int = 256, max_bad: float = 0.01) -> None:
    """Turn data into vectors, streamed to a file, with names, labels and parts kept.

    Parameters
    ----------
    encoder
        A run folder, an encoder folder or a checkpoint.
    data
        As for `tacit train`.
    out
        A .parquet file (columns name, label, part, vector), or a .npy file with the names in a .txt beside it.
    batch
        Samples at a time.
    max_bad
        Largest share of files that may be unreadable.
    """
    from tacit.embedding import embed_to
    from tacit.encoder import load

    count, dim = embed_to(load(encoder), data, out, batch=batch, max_bad=max_bad)
    sys.stdout.write(f"{out}: {count} vectors of {dim} numbers\n")


@app.command(
    help_epilogue="""Examples:
  tacit methods
  tacit methods simclr"""
)
def methods(name: str | None = None) -> None:
    """List the methods, or say all about one: what it learns from, formula, paper, options, presets, modalities.

    Parameters
    ----------
    name
        A method.
    """
    from tacit import desk

    desk.methods(name)


@app.command(
    help_epilogue="""Examples:
  tacit runs
  tacit runs runs/cifar-simclr
  tacit runs runs/cifar-simclr runs/cifar-moco"""
)
def runs(*paths: Path) -> None:
    """List the runs below a folder, show one, or compare several.

    Parameters
    ----------
    paths
        None: all runs in runs/. One: a run, or a folder of runs. Several: compare them.
    """
    from tacit import desk

    desk.runs(paths)


@app.command
def doctor() -> None:
    """Say what this installation can do: versions, processor, threads, precision, caches, free space."""
    from tacit import desk

    desk.doctor()


@app.command(
    help_epilogue="""Example:
  tacit demo"""
)
def demo(*, out: Path | None = None, epochs: int | None = None) -> None:
    """Learn from 1,797 handwritten digits without labels, and prove that it helped. Takes about two minutes.

    Parameters
    ----------
    out
        Folder of the run.
    epochs
        Passes over the data, where the demo's own number is too many.
    """
    from tacit.demo import run

    run(out, epochs)
