"""Learn: `tacit train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from tacit.commands.kinds import Commands, Switch
from tacit.errors import UsageError

BUDGET = Group("How long (one of them; 10 minutes where none is given)")
RECIPE = Group("What is learnt and how")
PLACE = Group("Where it goes")


def train(
    data: str | None = None,
    *,
    method: Annotated[str | None, Parameter(group=RECIPE)] = None,
    encoder: Annotated[str | None, Parameter(group=RECIPE)] = None,
    preset: Annotated[str | None, Parameter(group=RECIPE)] = None,
    init_from: Annotated[str | None, Parameter(group=RECIPE)] = None,
    teacher: Annotated[str | None, Parameter(group=RECIPE)] = None,
    batch: Annotated[int | None, Parameter(group=RECIPE)] = None,
    lr: Annotated[float | None, Parameter(group=RECIPE)] = None,
    seed: Annotated[int | None, Parameter(group=RECIPE)] = None,
    devices: Annotated[int | None, Parameter(group=RECIPE)] = None,
    config: Annotated[Path | None, Parameter(group=RECIPE)] = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", group=RECIPE, negative="", show_default=False)] = (),
    time: Annotated[str | None, Parameter(group=BUDGET)] = None,
    epochs: Annotated[int | None, Parameter(group=BUDGET)] = None,
    steps: Annotated[int | None, Parameter(group=BUDGET)] = None,
    out: Annotated[Path | None, Parameter(group=PLACE)] = None,
    resume: Annotated[bool, Parameter(group=PLACE, negative="", show_default=False)] = False,
    allow_changes: Annotated[bool, Parameter(group=PLACE, negative="", show_default=False)] = False,
    max_bad: Annotated[float | None, Parameter(group=PLACE)] = None,
    probe: Annotated[bool, Switch] = False,
    dry_run: Annotated[bool, Switch] = False,
    print_config: Annotated[bool, Switch] = False,
) -> None:
    """Learn an encoder from unlabelled data.

    DATA is a folder, a .zip or .tar, a .csv or .txt list of paths, a .npy or .npz file, a .parquet
    file or a folder of them (DATA#COLUMN where several columns hold samples), WebDataset shards
    (a folder, or 'train-{000..012}.tar'), a data set that Hugging Face saved to disk, or one of the
    built-in names digits, cifar10, cifar100, imdb. Sub-folders name classes, which training ignores,
    but for --method supcon.
    Texts stand in a folder of .txt, in the lines of a .txt, or in the column `text` of .jsonl, .csv,
    .tsv (each also as .gz) or .parquet. In a column `label` an empty cell means not labelled, `a;b` two
    labels, and `;` none of them.

    Parameters
    ----------
    data
        What to learn from.
    method
        Pretext task: see `tacit methods`. Where none is given, one is chosen by what was measured, and said.
    encoder
        convnet, resnet18, or any model of timm by name.
    preset
        Recipe of the method, such as paper or tutorial: see `tacit methods NAME`.
    init_from
        Start from the weights of a run, an encoder or a checkpoint.
    teacher
        The run, encoder or checkpoint that is learnt from, by --method distillation.
    batch
        Samples per optimiser step.
    lr
        Largest learning rate.
    seed
        Everything random is a function of it.
    devices
        Processes that share each batch: one a GPU, or each with its share of the cores.
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
    probe
        Show at each look how well labels can be told, which training ignores all the same.
    dry_run
        Say what would run, and stop.
    print_config
        Print all settings as YAML, and stop.
    """
    from tacit import desk, settings, training

    short = {
        "data": data,
        "init_from": init_from,
        "teacher": teacher,
        "batch": batch,
        "seed": seed,
        "devices": devices,
        "max_bad": max_bad,
        "probe": probe or None,
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
    sys.stderr.write(desk.next_steps(folder, run.data, labelled=not run.kind.tasks))


COMMANDS: Commands = (
    (
        train,
        """Examples:
  tacit train photos
  tacit train cifar10 --time 5m --out runs/cifar
  tacit train scans.zip --method rotation --encoder resnet18 --epochs 50
  tacit train list.csv --set method.temperature=0.1 --set modality.strong.flip=0
  tacit train --resume --out runs/cifar        go on after a stop, to the same bits
  tacit train photos --init-from runs/cifar    a new run from old weights""",
    ),
)
