"""Find: `tacit index`, `tacit search`, `tacit duplicates`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tacit.commands.kinds import Commands


def index(encoder: str, data: str, *, out: Path, batch: int = 256, max_bad: float = 0.01) -> None:
    """Make an index of data, to be searched by similarity: plain files in a folder.

    Up to a million samples a search looks at every one of them; above, a graph is built as well and proposes
    candidates.

    Parameters
    ----------
    encoder
        A run folder, an encoder folder or a checkpoint.
    data
        As for `tacit train`.
    out
        Folder of the index; an older index there is replaced once the new one stands.
    batch
        Samples at a time.
    max_bad
        Largest share of files that may be unreadable.
    """
    from tacit.encoder import load
    from tacit.searching.index import build

    made = build(load(encoder), data, out, batch=batch, max_bad=max_bad)
    sys.stdout.write(f"{out}: {made.count} vectors of {made.dim} numbers\n")


def search(
    encoder: str,
    index: Path,
    query: str,
    *,
    k: int = 10,
    json_: Annotated[bool, Parameter(name="--json", negative="", show_default=False)] = False,
    picture: Path | None = None,
) -> None:
    """Find the samples of an index that are most similar to one query or to many.

    Parameters
    ----------
    encoder
        The encoder that the index was made by.
    index
        The folder that `tacit index` wrote.
    query
        A file, or a folder, an archive or anything else DATA may be.
    k
        How many to find for each query.
    json_
        Print a line of JSON for each query instead of the table.
    picture
        Write the first queries with what was found for them as a picture, .png or .jpg.
    """
    from tacit import interrupt
    from tacit.encoder import load
    from tacit.report import sheet
    from tacit.searching import retrieval_desk
    from tacit.searching.index import open_index
    from tacit.searching.retrieval import search as answers

    if picture is not None:
        sheet.check(picture)
    loaded, opened = load(encoder), open_index(index)
    with interrupt.listening():
        shown = []
        for number, answer in enumerate(answers(loaded, opened, query, k)):
            sys.stdout.write(
                json.dumps(answer.to_json(), ensure_ascii=False) + "\n"
                if json_
                else retrieval_desk.answer_lines(answer)
            )
            if number < retrieval_desk.SHOWN_QUERIES:
                shown.append(answer)
        if picture is not None:
            retrieval_desk.draw_answers(shown, retrieval_desk.indexed(loaded, opened), picture)
            sys.stderr.write(f"written: {picture}\n")


def duplicates(
    data: str,
    *,
    encoder: str | None = None,
    near: float | None = None,
    out: Path | None = None,
    picture: Path | None = None,
    max_bad: float = 0.01,
) -> None:
    """Find duplicates: identical files, identical contents, near duplicates; leaks between train and test first.

    Near duplicates are found by a perceptual hash, or with --encoder in its feature space, which also finds crops and
    other colours and mistakes more things that only look alike.

    Parameters
    ----------
    data
        As for `tacit train`.
    encoder
        A run folder, an encoder folder or a checkpoint.
    near
        Least similarity of near duplicates. Without --encoder the share of equal bits of the hash, 0.9 where none is
        given: of copies planted among photographs that finds those compressed, halved, lightened or made grey (98 in
        100 or more), and 31 to 40 in 100 of those cropped by a twentieth, which 0.85 raises to 78 to 84. With --encoder
        the cosine, 0.95 where none is given: more of the crops, and some that only look alike.
    out
        A .csv file for all groups and their members.
    picture
        Write the first groups as a picture, .png or .jpg.
    max_bad
        Largest share of files that may be unreadable.
    """
    from tacit.encoder import load
    from tacit.report import sheet
    from tacit.searching import retrieval_desk
    from tacit.searching.duplicates import find_in

    if picture is not None:
        sheet.check(picture)
    loaded = load(encoder) if encoder is not None else None
    found = find_in(data, encoder=loaded, near=near, max_bad=max_bad)
    sys.stdout.write(retrieval_desk.summary(found))
    if out is not None:
        retrieval_desk.to_csv(found, out)
        sys.stderr.write(f"written: {out}\n")
    if picture is not None and found.groups:
        retrieval_desk.drawable(found.dataset.modality)
        retrieval_desk.draw_groups(found, picture)
        sys.stderr.write(f"written: {picture}\n")


COMMANDS: Commands = (
    (
        index,
        """Example:
  tacit index runs/photos-simclr photos --out photos-index""",
    ),
    (
        search,
        """Examples:
  tacit search runs/photos-simclr photos-index query.jpg
  tacit search runs/photos-simclr photos-index new --k 5 --json
  tacit search runs/photos-simclr photos-index new --picture hits.png""",
    ),
    (
        duplicates,
        """Examples:
  tacit duplicates photos
  tacit duplicates photos --near 0.85 --out duplicates.csv --picture duplicates.png
  tacit duplicates photos --encoder runs/photos-simclr""",
    ),
)
