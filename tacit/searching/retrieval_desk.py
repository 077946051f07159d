"""What `tacit search` and `tacit duplicates` show: tables, CSV, contact sheets. Nothing is computed here."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from tacit.console import counted
from tacit.core import Modality
from tacit.data.dataset import Dataset, open_dataset
from tacit.data.listing import printable
from tacit.encoder import TrainedEncoder
from tacit.engine import files
from tacit.errors import DataError, UsageError
from tacit.report import sheet
from tacit.searching.duplicates import Duplicates, Group, Way
from tacit.searching.index import Index
from tacit.searching.retrieval import Answer

SHOWN_QUERIES, SHOWN_HITS = 12, 8
SHOWN_GROUPS, SHOWN_MEMBERS = 60, 6
COLUMNS = 8
"""Of the sheet of duplicates; even."""
NAMED = 5
"""Groups of a kind that the summary names."""
LARGE = 20
"""A group of so many near duplicates is rather a chain of things that look alike."""
PAPER = 251
WAYS: dict[Way, str] = {
    "bytes": "identical files",
    "values": "identical once decoded",
    "hash": "nearly identical",
    "features": "nearly identical",
}
FIELDS = ("group", "way", "leak", "conflict", "name", "part", "label", "similarity")


def answer_lines(answer: Answer) -> str:
    """One query and what was found, as lines for a terminal."""
    width = max((len(hit.label or "") for hit in answer.hits), default=0)
    lines = [answer.query]
    for rank, hit in enumerate(answer.hits, 1):
        label = f"{hit.label or '':{width}}  " if width else ""
        lines.append(f"{rank:>4}  {hit.similarity:6.3f}  {label}{hit.name}")
    return "\n".join(lines) + "\n"


def indexed(encoder: TrainedEncoder, index: Index) -> Dataset:
    """The data that were indexed, to be looked at. Raises `UsageError` where they cannot be drawn or have changed."""
    drawable(encoder.modality)
    try:
        dataset = open_dataset(index.config.data, encoder.modality, encoder.modality.config(), encoder.layout)
    except DataError as error:
        raise UsageError(f"--picture shows what was found, and the indexed data are not at hand: {error}") from None
    if dataset.content_hash != index.config.content_hash:
        raise UsageError(
            f"--picture shows what was found, and {index.config.data} has changed since it was indexed: index it anew"
        )
    return dataset


def drawable(modality: Modality) -> None:
    """Raise `UsageError` where there are no pictures of such data."""
    if modality.picture is None:
        raise UsageError(f"--picture: {modality.unit} cannot be drawn; leave it out")


def draw_answers(answers: Sequence[Answer], dataset: Dataset, path: Path) -> None:
    """A row a query: the query, then what was found, the most similar first."""
    picture = dataset.modality.picture
    assert picture is not None
    samples = dataset.everything()
    queries = np.concatenate([picture(answer.view) for answer in answers])
    panels = [sheet.Panel("query", queries, [answer.query for answer in answers])]
    for rank in range(min(SHOWN_HITS, len(answers[0].hits))):
        hits = [answer.hits[rank] for answer in answers]
        found = picture(samples.view(torch.tensor([hit.row for hit in hits])))
        captions = [f"{hit.similarity:.3f} {hit.label or ''}\n{hit.name}" for hit in hits]
        panels.append(sheet.Panel(f"{rank + 1}", found, captions))
    title = f"nearest in {printable(dataset.name)}"
    sheet.draw(panels, path, title=title, footnote="Cosine of features centred on the mean of the indexed set.")


def summary(found: Duplicates) -> str:
    """How many duplicates of which kind, leaks and contradictions first, and how far to trust the near ones."""
    dataset = found.dataset
    unit, count = dataset.modality.unit, len(dataset)
    if not found.groups:
        return f"no duplicates among {counted(count, unit)} of {printable(dataset.name)} ({_sought(found)})\n"
    lines = [
        f"{printable(dataset.name)}: {found.surplus():,} of {count:,} {unit} repeat another one, "
        f"{counted(len(found.groups), 'groups')} ({_sought(found)})",
        *_counted(found),
    ]
    for title, groups in (
        ("in more than one part of the split, so that figures on them flatter", found.leaks),
        ("under different classes, so that one label is wrong or both hold", found.conflicts),
    ):
        if groups:
            lines += ["", f"{counted(len(groups), 'groups')} {title}:"]
            lines += [line for group in groups[:NAMED] for line in _members(dataset, group)]
            lines += [f"  and {len(groups) - NAMED:,} more"] if len(groups) > NAMED else []
    return "\n".join([*lines, *_hints(found)]) + "\n"


def _sought(found: Duplicates) -> str:
    measured = {
        "hash": f"near: at least {found.near:.0%} of the bits of a perceptual hash agree",
        "features": f"near: cosine of centred features at least {found.near:g}",
    }
    return measured.get(found.measure, "exact ones only: this kind of data has no perceptual hash")


def _counted(found: Duplicates) -> Iterator[str]:
    for way, title in WAYS.items():
        groups = [group for group in found.groups if group.way == way]
        if groups:
            members = f"{sum(map(len, groups)):,} {found.dataset.modality.unit}"
            yield f"  {title:24} {counted(len(groups), 'groups'):>14}, {members}"


def _members(dataset: Dataset, group: Group) -> Iterator[str]:
    samples, part_of = dataset.everything(), dataset.part_of()
    yield f"  {WAYS[group.way]}, similarity {group.similarity.min():.3f}"
    for row in group.rows[:SHOWN_MEMBERS].tolist():
        yield f"    {part_of[row] or '-':5}  {printable(samples.names[row])}"
    if len(group) > SHOWN_MEMBERS:
        yield f"    and {len(group) - SHOWN_MEMBERS:,} more"


def _hints(found: Duplicates) -> Iterator[str]:
    near = [group for group in found.groups if group.way == found.measure]
    if not near:
        return
    largest = max(map(len, near))
    yield ""
    yield (
        "Near duplicates are a suggestion: look at them (--picture sheet.png). "
        f"A higher --near than {found.near:g} finds fewer and surer ones, a lower one more."
    )
    if largest >= LARGE:
        yield (
            f"One group has {largest:,} members: that is a chain, in which neighbours look alike and the ends need "
            "not. Such things (empty scenes, plain skies) are no copies: raise --near."
        )
    labelled = [group for group in near if len(group.classes) > 0]
    wrong = sum(group.conflict for group in labelled)
    if wrong > 0.05 * len(labelled):
        yield (
            f"{wrong / len(labelled):.0%} of the near groups mix classes, so many of them are no copies: raise --near."
        )


def to_csv(found: Duplicates, path: Path) -> None:
    """A line a member of each group: `group, way, leak, conflict, name, part, label, similarity`."""
    dataset = found.dataset
    samples, part_of, labels = dataset.everything(), dataset.part_of(), dataset.labels.tolist()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    for number, group in enumerate(found.groups, 1):
        said = (number, group.way, *("yes" if flag else "no" for flag in (group.leak, group.conflict)))
        for row, similarity in zip(group.rows.tolist(), group.similarity.tolist(), strict=True):
            label = dataset.classes[labels[row]] if labels[row] >= 0 else ""
            name = printable(samples.names[row])
            writer.writerow((*said, name, part_of[row] or "", label, f"{similarity:.4f}"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.WriteError(path, error) from None
    files.write(path, text.getvalue().encode())


def draw_groups(found: Duplicates, path: Path) -> None:
    """The first groups, one after the other, the members of each side by side: leaks first, as in the table."""
    dataset, groups = found.dataset, found.groups[:SHOWN_GROUPS]
    picture = dataset.modality.picture
    assert picture is not None
    samples, part_of = dataset.everything(), dataset.part_of()
    places = list(_placed([len(group) for group in groups]))
    rows = [
        int(groups[number].rows[member]) if place else 0 for place in places for number, member in [place or (0, 0)]
    ]
    pictures = picture(samples.view(torch.tensor(rows)))
    captions = []
    for cell, (place, row) in enumerate(zip(places, rows, strict=True)):
        if place is None:
            pictures[cell] = PAPER
            captions.append("")
            continue
        number, member = place
        label = dataset.classes[dataset.labels[row]] if dataset.labels[row] >= 0 else ""
        words = f"{number + 1}: {groups[number].similarity[member]:.3f} {part_of[row] or ''}"
        captions.append(f"{words}\n{label}\n{printable(samples.names[row])}")
    title = f"{printable(dataset.name)}: {len(groups)} of {counted(len(found.groups), 'groups')} of duplicates"
    footnote = f"Leaks first, then members of different classes. {_sought(found)}."
    columns = range(min(COLUMNS, len(places)))
    panels = [sheet.Panel("", pictures[at::COLUMNS], captions[at::COLUMNS]) for at in columns]
    sheet.draw(panels, path, title=title, footnote=footnote)


def _placed(sizes: Sequence[int]) -> Iterator[tuple[int, int] | None]:
    """Cell by cell of a sheet: (group, member), or None for an empty one. No group is broken over two rows, and each
    begins in every other column, so that pairs stand below pairs."""
    column = 0
    for number, size in enumerate(sizes):
        shown = min(size, COLUMNS)
        wide = shown + shown % 2
        if column + wide > COLUMNS:
            yield from [None] * (COLUMNS - column)
            column = 0
        yield from ((number, member) for member in range(shown))
        yield from [None] * (wide - shown)
        column = (column + wide) % COLUMNS
