"""Which samples to label first, as a list and a contact sheet: the composition that `tacit select` runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tacit import console, interrupt
from tacit.data.dataset import Dataset, open_dataset
from tacit.data.labelling import with_labels
from tacit.data.listing import printable
from tacit.data.subset import Subset
from tacit.encoder import TrainedEncoder
from tacit.engine import files
from tacit.errors import RunError, UsageError, nearest
from tacit.evaluation import selection
from tacit.evaluation.axes import ROWS, Axes
from tacit.evaluation.features import must_be_finite

LIST, SHEET = "list.csv", "sheet.png"
PICTURED = 200
"""Samples on the contact sheet, at most."""
REASONS: Mapping[str, str] = {
    "kmedoids": "in the middle of {count:,} {unit} that are alike",
    "typical": "most typical of {count:,} {unit} that are alike",
    "random": "drawn at random",
}


@dataclass(frozen=True, eq=False)
class Selection:
    """What was chosen, and from what."""

    samples: Subset
    """The chosen samples, the most telling first."""
    speaks_for: Sequence[int]
    """How many samples are in the cluster of each."""
    method: str
    known: int
    """Samples that were labelled already."""
    candidates: int
    """Samples without a label, identical ones counted once."""

    def why(self) -> Sequence[str]:
        """Why each sample was chosen."""
        unit = self.samples.modality.unit
        return [REASONS[self.method].format(count=count, unit=unit) for count in self.speaks_for]


def select(
    encoder: TrainedEncoder,
    data: str,
    *,
    budget: int,
    method: str = "kmedoids",
    part: str = "train",
    labels: Path | None = None,
    ignore_labels: bool = False,
    seed: int = 0,
    max_bad: float = 0.01,
) -> Selection:
    """Choose `budget` samples of `data` to be labelled, from its `part` train, val or test.

    Samples that have a label count as chosen: those of the list `labels` (see `with_labels`) where it is given, else
    those that `data` labels, unless `ignore_labels`. Identical samples are one. Memory grows by 256 bytes a sample.

    Raises:
        UsageError: there is no such method, or fewer samples to choose from than `budget`.
        DataError: `data` or `labels` cannot be read.
    """
    if method not in selection.METHODS:
        raise UsageError(f"--method {method}: there is no such way to choose; {nearest(method, selection.METHODS)}")
    if budget < 1:
        raise UsageError(f"--budget {budget}: give 1 or more, the number of samples that you can label")
    with interrupt.listening():
        dataset = open_dataset(
            data, encoder.modality, encoder.modality.config(), encoder.layout, seed=seed, max_bad=max_bad
        )
        if ignore_labels:
            dataset = dataset.relabelled(torch.full((len(dataset),), -1), ())
        if labels is not None:
            dataset = with_labels(dataset, labels)
        dataset.say_notes()
        samples, known = _distinct(dataset, part)
        _enough(budget, known, dataset, part, ignore_labels=ignore_labels)
        x = coordinates(encoder, samples)
        chosen = selection.choose(x, budget, methods=(method,), known=known, seed=seed)[method]
        free = int((~known).sum())
        return Selection(samples.select(chosen.rows), chosen.speaks_for.tolist(), method, len(known) - free, free)


def _distinct(dataset: Dataset, part: str) -> tuple[Subset, Tensor]:
    """A part with one of each kind of identical samples, and which of them have a label, boolean `[N]`."""
    samples = dataset.part(part)
    _, first, kind = np.unique(dataset.tokens[dataset.parts[part]], return_index=True, return_inverse=True)
    labelled = np.zeros(len(first), bool)
    np.logical_or.at(labelled, kind, samples.labels.numpy() >= 0)
    order = np.argsort(first)
    return samples.select(torch.from_numpy(first[order])), torch.from_numpy(labelled[order])


def _enough(budget: int, known: Tensor, dataset: Dataset, part: str, *, ignore_labels: bool) -> None:
    free, unit = int((~known).sum()), dataset.modality.unit
    if budget <= free:
        return
    count = len(dataset.parts[part])
    where = f"the {part} part of {printable(dataset.name)} has {console.counted(count, unit)}"
    if count > len(known):
        where += f", {len(known):,} of them different"
    if known.any():
        where += f", and {int(known.sum()):,} of these are labelled"
    hint = f"give {free:,} or less" if free else "there is nothing left to choose"
    if known.any() and not ignore_labels:
        hint += "; to rehearse on data with labels, add --ignore-labels"
    raise UsageError(f"--budget {budget}: {where}; {hint}")


def coordinates(encoder: TrainedEncoder, samples: Subset, *, batch: int = 256) -> Tensor:
    """Coordinates `[N, K]` on the main axes of the features of `samples`, batch by batch: features are not kept.

    The axes are those of evenly spread samples, whose features are computed first. Raises `RunError` where features are
    no numbers.
    """
    count = len(samples)
    spread = torch.linspace(0, count - 1, min(ROWS, count)).long()
    with console.progress("features", count + len(spread)) as tick:
        first = []
        for rows in torch.split(spread, batch):
            first.append(must_be_finite(encoder.vectors(samples.view(rows)), "the encoder"))
            tick(sum(map(len, first)))
        axes = Axes.of(torch.cat(first), selection.WIDTH)
        found = torch.empty(count, axes.directions.shape[1])
        for rows in torch.split(torch.arange(count), batch):
            vectors = must_be_finite(encoder.vectors(samples.view(rows)), "the encoder")
            found[rows] = axes(vectors)
            tick(len(spread) + int(rows[-1]) + 1)
    return found


def write(chosen: Selection, out: Path, *, title: str) -> list[Path]:
    """Write the list and, where samples can be drawn, the contact sheet into the folder `out`; returns the paths.

    The list has the columns path, label (empty, to be filled in), rank, why. Raises `UsageError` where `out` holds a
    list: it may hold labels.
    """
    free(out)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["path", "label", "rank", "why"])
    names = [printable(name) for name in chosen.samples.names]
    for rank, (name, why) in enumerate(zip(names, chosen.why(), strict=True), 1):
        writer.writerow([name, "", rank, why])
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror or error}") from None
    files.write(out / LIST, table.getvalue().encode("utf-8"))
    return [out / LIST, *_sheet(chosen, names, out, title)]


def free(out: Path) -> None:
    """Raise `UsageError` where the folder `out` holds a list."""
    if (out / LIST).exists():
        raise UsageError(f"{out / LIST} exists, and may hold labels by now: name another folder with --out")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file: name a folder")


def _sheet(chosen: Selection, names: Sequence[str], out: Path, title: str) -> list[Path]:
    from tacit.report.sheet import contact

    draw, samples = chosen.samples.modality.picture, chosen.samples
    if draw is None:
        return []
    shown = min(PICTURED, len(samples))
    captions = [f"{rank}\n{Path(name).name}" for rank, name in enumerate(names[:shown], 1)]
    title += f", the first {shown} of {len(samples):,}" if shown < len(samples) else ""
    contact(draw(samples.view(torch.arange(shown))), captions, out / SHEET, title=title)
    return [out / SHEET]
