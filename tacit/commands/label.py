"""Label: `tacit select`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from tacit.commands.kinds import Commands, Switch


def select(
    encoder: str,
    data: str,
    *,
    budget: int,
    method: str = "kmedoids",
    part: str = "train",
    labels: Path | None = None,
    ignore_labels: Annotated[bool, Switch] = False,
    out: Path = Path("selection"),
    seed: int = 0,
    max_bad: float = 0.01,
) -> None:
    """Which samples to label first: few that say much about all, as a list to fill in and a contact sheet.

    They are chosen from the training part of DATA: what is tested on later stays apart. Samples that have
    a label already are not chosen again, nor what is like them. What the test is made of has to be drawn
    at random: --part test --method random.

    Parameters
    ----------
    encoder
        A run folder, an encoder folder or a checkpoint.
    data
        As for `tacit train`; labels are not needed.
    budget
        How many samples you can label.
    method
        kmedoids: the middle of each cluster; typical: its densest member; random.
    part
        train, val or test.
    labels
        A .csv of path,label: the samples of DATA that are labelled already.
    ignore_labels
        Act as if DATA had no labels, to rehearse on a set that has.
    out
        Folder for list.csv (path, label, rank, why) and sheet.png.
    seed
        Of the split (give `tacit finetune` the same), the clusters, and random choice.
    max_bad
        Largest share of files that may be unreadable.
    """
    from tacit.applying import selecting
    from tacit.console import counted
    from tacit.encoder import load

    selecting.free(out)
    loaded = load(encoder)
    chosen = selecting.select(
        loaded,
        data,
        budget=budget,
        method=method,
        part=part,
        labels=labels,
        ignore_labels=ignore_labels,
        seed=seed,
        max_bad=max_bad,
    )
    unit = loaded.modality.unit
    written = selecting.write(
        chosen, out, title=f"{counted(budget, unit)} of {Path(data).name} to label first ({method})"
    )
    known = f", {chosen.known:,} known already" if chosen.known else ""
    sys.stdout.write(f"{written[0]}: {budget:,} of {chosen.candidates:,} {unit} to label{known}\n")
    sys.stderr.write(
        f"written: {', '.join(map(str, written))}\n\nnext:\n"
        f"  fill in the column label of {written[0]}\n  tacit finetune {encoder} {data} --labels {written[0]}\n"
    )


COMMANDS: Commands = (
    (
        select,
        """Examples:
  tacit select runs/photos-simclr photos --budget 100
  tacit select runs/photos-simclr photos --budget 50 --method typical --out typical
  tacit select runs/photos-simclr photos --budget 100 --labels selection/list.csv --out second-round""",
    ),
)
