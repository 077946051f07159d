"""Put an encoder to use on labels: `tacit finetune`, `tacit predict`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from tacit.commands.kinds import Commands, Switch
from tacit.errors import UsageError

BUDGET = Group("How long (one of them; 10 minutes where none is given; it ends earlier when nothing better comes)")
RECIPE = Group("What is learnt and how")
PLACE = Group("Where it goes")
MIXUP = 0.2
"""Strength of mix-up where it is asked for: the paper's own on ImageNet."""


def finetune(
    encoder: str | None = None,
    data: str | None = None,
    *,
    task: Annotated[str | None, Parameter(group=RECIPE)] = None,
    labels: Annotated[str | None, Parameter(group=RECIPE)] = None,
    freeze: Annotated[str | None, Parameter(group=RECIPE)] = None,
    size: Annotated[int | None, Parameter(group=RECIPE)] = None,
    mixup: Annotated[bool, Parameter(group=RECIPE, negative="", show_default=False)] = False,
    class_weights: Annotated[bool, Parameter(group=RECIPE, negative="", show_default=False)] = False,
    architecture: Annotated[str | None, Parameter(group=RECIPE)] = None,
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
    """Teach an encoder a task from labels: first a new head alone, then all of the network at a lower rate.

    The weights that do best on a validation part are kept: the data's own `val`, or a fifth of the
    training part. The test part is looked at once, at the end.

    Parameters
    ----------
    encoder
        A run folder, an encoder folder, a checkpoint, or published weights of timm or torchvision.
    data
        Labelled data: as for `tacit train`, with classes; or with boxes, masks, tags of words, transcripts or targets.
    task
        classify (the default), multilabel, regress, segment, detect, tag (words of texts, as names have), recognise
        (what is said in recordings) or translate.
    labels
        A .csv of path,label for samples of DATA; training samples that it does not name are left out.
    freeze
        all: the encoder stays as it is; none; or how many of its stages do, from the input on.
    size
        Side of the samples, where it is to differ from what the encoder has learnt on.
    mixup
        Train on mixtures of two samples.
    class_weights
        Let rare classes count as much as frequent ones.
    architecture
        The encoder that published weights are of: resnet18, or a model name of timm.
    batch
        Samples per optimiser step.
    lr
        Largest learning rate of the head; the encoder's is a tenth of it, for segment, detect and translate the same.
    seed
        Everything random is a function of it.
    config
        YAML file with settings, such as the config.yaml of a run.
    set_
        Any setting by its path in --print-config, such as method.rate=0.3; may be repeated.
    time
        Such as 90s, 10m or 1h30m.
    epochs
        Passes over the training samples.
    steps
        Optimiser steps.
    out
        Folder of the run; runs/DATA-TASK where none is given.
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
    from tacit.adapting import finetuning
    from tacit.applying import predicting

    if resume and out is None:
        raise UsageError(f"--resume needs --out, the run to go on with; {desk.resumable(desk.RUNS)}")
    head = {"name": task} if task else {}
    short: dict[str, Any] = {
        "data": data,
        "init_from": encoder,
        "labels": labels,
        "batch": batch,
        "seed": seed,
        "max_bad": max_bad,
        "head": {**head, "class_weights": True} if class_weights else head or None,
        "method": {"freeze": freeze, "mixup": MIXUP if mixup else None},
        "modality": {"size": size} if size is not None else None,
        "encoder": training.encoder_named(architecture) if architecture else None,
        "optimiser": {"lr": lr} if lr is not None else None,
        "budget": {"time": time, "epochs": epochs, "steps": steps} if time or epochs or steps else None,
    }
    short["method"] = {name: value for name, value in short["method"].items() if value is not None} or None
    layers: list[dict[str, Any]] = [settings.read_config_file(config)] if config else []
    layers += [{name: value for name, value in short.items() if value is not None}, settings.assign(set_)]
    run = finetuning.configure(layers, resume=out if resume else None)
    if print_config:
        sys.stdout.write(run.to_yaml())
        return
    if dry_run:
        sys.stdout.write(desk.rehearse_finetuning(run))
        return
    folder = out if out is not None else desk.free_folder(run.data, run.head.name)
    _, tested = finetuning.finetune(run, folder, resume=resume, allow_changes=allow_changes)
    sys.stdout.write(f"{tested.in_words()}{folder / finetuning.MODEL}\n")
    suffixes = predicting.WRITERS[run.head.name].suffixes
    answers = f"predictions{suffixes[0] if suffixes else ''}"
    sys.stderr.write(f"\nnext:\n  tacit predict {folder} NEW_DATA --out {answers}\n  tacit runs {folder}\n")


def predict(model: str, data: str, *, out: Path, batch: int = 256, max_bad: float = 0.01) -> None:
    """Answer about new data with a fine-tuned model: classes, numbers, boxes, masks, tags or texts.

    Parameters
    ----------
    model
        A run folder of `tacit finetune`, or the model folder in it.
    data
        A folder, an archive, a list, a single file: as for `tacit train`.
    out
        A .csv or .parquet file with a row a sample: its name, the answer, the probability of each class. For detect a
        .json file as COCO has it, for segment a folder of masks and overlays, for tag a .jsonl file.
    batch
        Samples at a time.
    max_bad
        Largest share of files that may be unreadable; they are left out and named.
    """
    from tacit.applying.predicting import predict_to
    from tacit.console import counted
    from tacit.model import load_model

    loaded = load_model(model)
    count = predict_to(loaded, data, out, batch=batch, max_bad=max_bad)
    sys.stdout.write(f"{out}: {counted(count, loaded.base.modality.unit)}\n")


COMMANDS: Commands = (
    (
        finetune,
        """Examples:
  tacit finetune runs/photos-simclr photos --time 5m
  tacit finetune runs/photos-simclr photos --freeze all --labels labelled.csv
  tacit finetune runs/photos-simclr list.csv --task regress --epochs 50 --out runs/age
  tacit finetune runs/bilingual phrases.jsonl --task translate
  tacit finetune resnet18.pth photos --architecture resnet18 --size 96
  tacit finetune runs/texts sentences.conll --task tag
  tacit finetune runs/speech recordings.csv --task recognise     columns path and transcript
  tacit finetune --resume --out runs/photos-classify        go on after a stop, to the same bits""",
    ),
    (
        predict,
        """Examples:
  tacit predict runs/photos-classify new-photos --out predictions.csv
  tacit predict runs/photos-classify one.jpg --out one.parquet""",
    ),
)
