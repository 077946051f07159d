"""Answers about new data, streamed to a file or a folder; one writer a task."""

from __future__ import annotations

import contextlib
import csv
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from tacit import interrupt
from tacit.applying.found_boxes import SUFFIXES, write_boxes
from tacit.applying.painting import write_masks
from tacit.applying.tagged_words import tags_of_words, write_tags
from tacit.console import say
from tacit.data.dataset import Dataset, open_dataset
from tacit.data.listing import printable
from tacit.data.table import TRANSCRIPT
from tacit.errors import DataError, RunError, UsageError, nearest
from tacit.heads.head import Answers
from tacit.model import TrainedModel, join

Batches = Iterator[tuple[Tensor, Answers]]
"""Rows of `Dataset.everything`, long `[B]`, and the answers to them, in order."""
YES = 0.5
"""The probability from which a label counts as there."""


@dataclass(frozen=True)
class Writer:
    """How the answers of a task are written."""

    suffixes: tuple[str, ...]
    """What the output's name may end with; none: a folder is written."""
    write: Callable[[TrainedModel, Dataset, Batches, Path], None]
    """Writes a file with one of the suffixes, or into a new folder; memory must not grow with the set.

    May raise `OSError`."""
    said: Callable[[TrainedModel, Dataset, Tensor, Answers], Answers] | None = None
    """Answers to the rows `[B]` as they are told to people, where the head's own make no sense to them."""
    of_wholes: bool = False
    """Whether answers are placed on whole samples, so that pieces of them have none."""


def predict_to(model: TrainedModel, data: str, out: Path, *, batch: int = 256, max_bad: float = 0.01) -> int:
    """Write the answers about all samples of `data` to `out`, which appears whole or not at all; returns their number.

    Raises `UsageError` for an `out` that the task does not write, `DataError` where data cannot be read, `RunError`
    where `out` cannot be written.
    """
    writer = WRITERS[model.spec.task]
    if batch < 1:
        raise UsageError(f"--batch {batch}: give 1 or more")
    _check(writer, model.spec.task, out)
    with interrupt.listening():
        dataset = _open(model, data, max_bad)
        partial = out.with_name(f".partial-{out.name}")
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            _remove(partial)  # a process may have been killed here before
            if not writer.suffixes:
                partial.mkdir()
            writer.write(model, dataset, model.respond(dataset.everything(), batch=batch), partial)
            partial.replace(out)
        except OSError as error:
            raise RunError(f"cannot write {out}: {error.strerror or error}") from None
        finally:
            with contextlib.suppress(OSError):
                _remove(partial)
    return len(dataset)


def predict(model: TrainedModel, data: str, *, batch: int = 256, max_bad: float = 0.01) -> dict[str, Any]:
    """The answers about all samples of `data` in memory: `name`, and what the head says, such as `probabilities`."""
    with interrupt.listening():
        dataset = _open(model, data, max_bad)
        batches, tell = model.respond(dataset.everything(), batch=batch), WRITERS[model.spec.task].said
        said = join([tell(model, dataset, rows, answers) if tell else answers for rows, answers in batches])
    return {"name": [printable(name) for name in dataset.everything().names], **said}


def _open(model: TrainedModel, data: str, max_bad: float) -> Dataset:
    base = model.base
    dataset = open_dataset(data, base.modality, base.modality.config(), base.layout, max_bad=max_bad)
    for name, reason in dataset.skipped:
        say(f"skipped: {printable(name)}: {reason}")
    if WRITERS[model.spec.task].of_wholes and len(np.unique(dataset.everything().source_rows)) < len(dataset):
        raise DataError(
            f"some {base.modality.unit} of {printable(data)} are longer than the model reads at once, and a model for "
            f"{model.spec.task} answers about whole ones: give shorter {base.modality.unit}, such as a sentence each"
        )
    return dataset


def _check(writer: Writer, task: str, out: Path) -> None:
    if writer.suffixes and out.suffix not in writer.suffixes:
        raise UsageError(
            f"--out {out}: a model for {task} writes a file, and its suffix says which; "
            f"{nearest(out.suffix, writer.suffixes)}"
        )
    if writer.suffixes and out.is_dir():
        raise UsageError(f"--out {out} is a folder: name a file ending with {' or '.join(writer.suffixes)}")
    if not writer.suffixes and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            f"--out {out} is there already: a model for {task} writes a folder of its own, so name a new one"
        )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


Columns = Callable[[tuple[str, ...], Answers], dict[str, Any]]
"""(classes, answers to a batch) -> a column a name: texts, or numbers."""


def _class_columns(classes: tuple[str, ...], answers: Answers) -> dict[str, Any]:
    said = answers["probabilities"].numpy()
    return {"class": [classes[number] for number in said.argmax(1)], **_probabilities(classes, said)}


def _label_columns(classes: tuple[str, ...], answers: Answers) -> dict[str, Any]:
    said = answers["probabilities"].numpy()
    there = [";".join(np.array(classes)[row >= YES].tolist()) for row in said]
    return {"labels": there, **_probabilities(classes, said)}


def _translation_columns(classes: tuple[str, ...], answers: Answers) -> dict[str, Any]:
    return {"translation": list(answers["text"])}


def _number_columns(classes: tuple[str, ...], answers: Answers) -> dict[str, Any]:
    return dict(zip(classes, answers["values"].numpy().T, strict=True))


def _transcript_columns(classes: tuple[str, ...], answers: Answers) -> dict[str, Any]:
    return {TRANSCRIPT: answers["texts"]}


def _probabilities(classes: tuple[str, ...], said: np.ndarray) -> Mapping[str, Any]:
    return {f"probability_{name}": said[:, number] for number, name in enumerate(classes)}


def _table(columns: Columns) -> Writer:
    """A writer of one row a sample: its name, and what `columns` makes of the answers."""

    def write(model: TrainedModel, dataset: Dataset, batches: Batches, path: Path) -> None:
        names = dataset.everything().names

        def rows() -> Iterator[dict[str, Any]]:
            for numbers, answers in batches:
                own = [printable(name) for name in names.take(numbers.numpy())]
                yield {"name": own, **columns(model.classes, answers)}

        (_to_parquet if path.suffix == ".parquet" else _to_csv)(rows(), path)

    return Writer((".csv", ".parquet"), write)


def _to_csv(batches: Iterator[dict[str, Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for number, batch in enumerate(batches):
            if number == 0:
                writer.writerow(batch)
            written = [
                [f"{value:.6g}" for value in part] if isinstance(part, np.ndarray) else part for part in batch.values()
            ]
            writer.writerows(zip(*written, strict=True))


def _to_parquet(batches: Iterator[dict[str, Any]], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    try:
        for batch in batches:
            block = pa.RecordBatch.from_pydict({name: pa.array(values) for name, values in batch.items()})
            writer = writer or pq.ParquetWriter(path, block.schema)
            writer.write_batch(block)
    finally:
        if writer is not None:
            writer.close()


WRITERS: Mapping[str, Writer] = {
    "classify": _table(_class_columns),
    "multilabel": _table(_label_columns),
    "regress": _table(_number_columns),
    "segment": Writer((), write_masks),
    "translate": _table(_translation_columns),
    "detect": Writer(SUFFIXES, write_boxes),
    "recognise": _table(_transcript_columns),
    "tag": Writer((".jsonl",), write_tags, tags_of_words, of_wholes=True),
}
"""Task -> how its answers are written; the same names as in `heads.HEADS`."""
