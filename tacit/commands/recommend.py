"""What to take next: `tacit recommend`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tacit.commands.kinds import Commands, Switch
from tacit.errors import UsageError


def recommend(
    encoder: str,
    data: str | None = None,
    *,
    k: int = 10,
    out: Path | None = None,
    history: Annotated[str | None, Parameter(show_default=False)] = None,
    similar: Annotated[str | None, Parameter(show_default=False)] = None,
    items: Path | None = None,
    mix: Annotated[bool, Switch] = False,
    again: Annotated[bool, Switch] = False,
    max_bad: float = 0.01,
) -> None:
    """Recommend items: to all users of a log, to somebody whose history is at hand, or items like another one.

    Parameters
    ----------
    encoder
        A run folder, an encoder folder or a checkpoint of interactions, trained with --method causal-prediction or
        masked-prediction.
    data
        A log, as for `tacit train`.
    k
        Items in a list.
    out
        A .csv file for the lists of all users: user, rank, item, score.
    history
        What somebody took, the oldest first, joined by commas.
    similar
        An item: those with the most similar vectors are listed.
    items
        A table of what is known of items, as was given for modality.features: those in it that the encoder does not
        know yet are ranked, too, by what is known of them.
    mix
        Add closed forms that are fitted to the log (transitions, item-kNN, EASE), by weights learnt on each user's last
        item: the row `mix` of `tacit evaluate` says what that is worth.
    again
        Offer also what a user took before.
    max_bad
        Largest share of users that may be unreadable.
    """
    from tacit.applying import recommending
    from tacit.data.listing import printable
    from tacit.encoder import load

    if sum(given is not None for given in (data, history, similar)) != 1:
        raise UsageError("recommend takes one of three: DATA with --out, --history ITEM,ITEM or --similar ITEM")
    if (data is None) != (out is None):
        raise UsageError("DATA and --out go together: the lists of all users are written to a .csv file")
    if mix and data is None:
        raise UsageError("--mix fits closed forms to a log: name it as DATA")
    loaded = load(encoder)
    loaded = recommending.with_items(loaded, str(items)) if items is not None else loaded
    if data is not None and out is not None:
        count = recommending.recommend_to(loaded, data, out, k=k, again=again, mix=mix, max_bad=max_bad)
        sys.stdout.write(f"{out}: lists of {count} users\n")
        return
    if history is not None:
        taken = [name.strip() for name in history.split(",") if name.strip()]
        listed = recommending.recommend(loaded, taken, k=k, again=again)
    else:
        assert similar is not None
        listed = recommending.similar(loaded, similar, k=k)
    sys.stdout.write(
        "".join(f"{rank}\t{printable(item)}\t{score:.4f}\n" for rank, (item, score) in enumerate(listed, 1))
    )


COMMANDS: Commands = (
    (
        recommend,
        """Examples:
  tacit recommend runs/shop log.csv --out recommendations.csv
  tacit recommend runs/shop log.csv --mix --k 20 --out best.csv
  tacit recommend runs/shop --history kettle,teapot
  tacit recommend runs/shop --similar teapot
  tacit recommend runs/shop log.csv --items items-of-today.csv --out recommendations.csv""",
    ),
)
