"""Look at a run: `tacit show`."""

from __future__ import annotations

import sys
from pathlib import Path

from tacit.commands.kinds import Commands


def show(run: str, data: str | None = None, *, out: Path | None = None, count: int = 8, seed: int = 0) -> None:
    """Draw what a run's method sees and does, as one picture.

    Views, positives and hardest negatives of a contrastive method; what is seen, what is drawn and the truth where
    something is rebuilt; puzzles as they are put together again. A run that goes on is shown as of its newest
    checkpoint.

    Parameters
    ----------
    run
        A run folder.
    data
        What to show it on: as for `tacit train`; where none is given, samples of the run's own that it did not
        learn from.
    out
        A .png or .jpg file; show.png in the run's folder where none is given.
    count
        Samples, a row each.
    seed
        Of the choice of samples and of all that is drawn at random.
    """
    from tacit.looking.showing import show as draw

    sys.stdout.write(f"{draw(run, data, out=out, count=count, seed=seed)}\n")


COMMANDS: Commands = (
    (
        show,
        """Examples:
  tacit show runs/photos-simclr
  tacit show runs/photos-jigsaw holiday --count 12 --out jigsaw.png""",
    ),
)
