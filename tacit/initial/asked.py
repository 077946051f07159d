"""What a method asks for beside samples, their labels and what a teacher makes of them, and what is said of that."""

from __future__ import annotations

from typing import Any

from tacit.console import counted
from tacit.core import LABELS
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.data.shelf import digest
from tacit.data.subset import Subset
from tacit.encoder import load
from tacit.errors import DataError
from tacit.initial.start import Start
from tacit.initial.teacher import taught
from tacit.settings import RunConfig


def asked(dataset: Dataset, config: RunConfig, known: str | None = None) -> Dataset:
    """`dataset`, whose views bring along each sample's label where the method of the run asks for labels, and what its
    teacher makes of each sample where it has one. `known` and errors as in `teacher.taught`."""
    return taught(dataset.labelled() if _from_labels(config) else dataset, config, known)


def must_be_told_apart(samples: Subset, config: RunConfig) -> None:
    """Raise `DataError` where the run learns from labels, and the `samples` that it is to learn from have too few."""
    if not _from_labels(config):
        return
    labels = samples.labels[samples.labels >= 0]
    sizes = labels.bincount()
    if int((sizes >= 2).sum()) >= 2:
        return
    name, unit = config.method.name, config.kind.unit
    raise DataError(
        f"method {name} learns from labels, of two classes at least and two {unit} of each; of the "
        f"{counted(len(samples), unit)} for training in {printable(config.data)} {len(labels):,} have a label, and "
        f"{int((sizes >= 2).sum())} of their {int((sizes > 0).sum()):,} classes have two. Name classes by sub-folders "
        "or a column `label`, or take a method that learns without labels, such as --method simclr"
    )


def identity(dataset: Dataset, config: RunConfig) -> dict[str, str]:
    """Hashes of what was asked for, which a run that goes on must find again."""
    found = {"teacher": dataset.teacher} if dataset.teacher else {}
    return found | ({"labels": digest(dataset.labels)} if _from_labels(config) else {})


def facts(config: RunConfig, dataset: Dataset, samples: Subset, start: Start | None) -> dict[str, Any]:
    """What the encoder of a run on `samples` says of its teacher, and how many labels it learnt from: those of the
    weights that it starts from, and of its teacher, are counted as well."""
    found: dict[str, Any] = {}
    used = int((samples.labels >= 0).sum()) if _from_labels(config) else 0
    used += start.trained.spec.labels if start is not None and start.trained is not None else 0
    if config.teacher is not None:
        found = {"teacher": config.teacher, "teacher_hash": dataset.teacher}
        used += load(config.teacher).spec.labels
    return found | ({"labels_used": used} if used else {})


def _from_labels(config: RunConfig) -> bool:
    return LABELS in config.learner.needs(config.method)
