"""What a teacher, an encoder on disk, makes of the samples that a student learns from."""

from __future__ import annotations

import torch
from torch import Tensor

from tacit.console import counted, say
from tacit.core import View
from tacit.data.dataset import Dataset, open_dataset
from tacit.data.shelf import Kept, Shelf, digest
from tacit.data.subset import Subset
from tacit.encoder import TrainedEncoder, load
from tacit.errors import DataError, UsageError
from tacit.evaluation.features import extract_floor, must_be_finite
from tacit.settings import RunConfig

BATCH = 256


def taught(dataset: Dataset, config: RunConfig, known: str | None = None) -> Dataset:
    """`dataset`, whose views bring along what the teacher of the run makes of each sample, where it has one.

    The teacher reads the samples themselves, by its own layout: at its size, rate and vocabulary. Of what is held out
    within samples it sees as little as training does. Its features are computed once, and found again in the cache.

    Args:
        dataset: as the student reads it.
        config: of the student's run.
        known: the teacher's hash, where it must be one that has taught before.

    Raises:
        UsageError: there is no encoder at the place, or not the one that is `known`; it reads another kind of data,
            cannot read these, or takes them apart otherwise.
        RunError: its files are damaged, or its features are no numbers.
    """
    if config.teacher is None:
        return dataset
    teacher = _at(config.teacher, config)
    spec = teacher.spec
    found = digest(teacher.network.state_dict(), [dict(spec.encoder), dict(spec.layout)])
    if known is not None and found != known:
        raise UsageError(
            f"{config.teacher} holds another encoder than the one that this run learnt from (hash {found[:12]}, then "
            f"{known[:12]}): put that one back"
        )
    return dataset.taught(_features(teacher, _read_by(teacher, dataset, config), config, found), found)


def _at(path: str, config: RunConfig) -> TrainedEncoder:
    try:
        teacher = load(path)
    except UsageError as error:
        raise UsageError(f"no teacher: {error}. A run that goes on, or is shown, needs its teacher, too") from None
    if teacher.modality is not config.kind:
        raise UsageError(
            f"the teacher at {path} reads {teacher.modality.unit}, and {config.data} holds {config.kind.unit}: give an "
            f"encoder of {config.kind.unit}"
        )
    return teacher


def _read_by(teacher: TrainedEncoder, dataset: Dataset, config: RunConfig) -> Dataset:
    """The same samples as the teacher reads them, row by row."""
    kind, place = config.kind, config.teacher
    try:
        theirs = open_dataset(
            dataset.name, kind, config.modality, teacher.layout, seed=config.seed, max_bad=config.max_bad
        )
    except DataError as error:
        raise UsageError(f"the teacher at {place} cannot read {dataset.name}, give one that can: {error}") from None
    if _same(theirs.everything(), dataset.everything()):
        return theirs
    ours, wishes = dataset.layout.model_dump(), type(config.modality).model_fields.keys() - teacher.layout.fixed
    told = {
        name: value for name, value in teacher.layout.model_dump().items() if name in wishes and value != ours[name]
    }
    ways = " ".join(f"--set modality.{name}={value}" for name, value in told.items())
    raise UsageError(
        f"the teacher at {place} makes {counted(len(theirs), kind.unit)} of {dataset.name}, the student "
        f"{counted(len(dataset), kind.unit)}, or others: both have to take samples apart alike. The teacher was made "
        f"by {ways or 'the same settings'}"
    )


def _same(theirs: Subset, own: Subset) -> bool:
    """Whether rows are the same samples, or pieces."""
    first, second = theirs.names, own.names
    return len(first) == len(second) and bool((first.ends == second.ends).all()) and first.blob == second.blob


def _features(teacher: TrainedEncoder, theirs: Dataset, config: RunConfig, found: str) -> Tensor:
    """`[N, D]` over the whole set."""
    facts = {"teacher": found, "data": theirs.content_hash, "device": teacher.device.type}
    if config.kind.seen is not None:
        facts |= {"seen": config.modality.model_dump_json()}
    shelf = Shelf("teachers")
    kept = shelf.recall(facts)
    if kept is not None:
        return kept.tensors["features"]
    samples = theirs.everything()

    def read(view: View) -> Tensor:
        return teacher.vectors(samples.seen(view))

    say(f"the teacher at {config.teacher} reads {counted(len(samples), config.kind.unit)}, once")
    with torch.no_grad():
        features = must_be_finite(extract_floor(read, samples, batch=BATCH, title="teacher"), "the teacher")
    shelf.keep(facts, Kept({"features": features}))
    return features
