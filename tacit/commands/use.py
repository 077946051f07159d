"""Use an encoder: `tacit embed`, `tacit export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from tacit.commands.kinds import Commands, Switch
from tacit.errors import UsageError


def embed(
    encoder: str,
    data: str | None = None,
    *,
    out: Path,
    items: Annotated[bool, Switch] = False,
    batch: int = 256,
    max_bad: float = 0.01,
) -> None:
    """Turn data into vectors, streamed to a file, with names, labels and parts kept.

    Parameters
    ----------
    encoder
        A run folder, an encoder folder or a checkpoint.
    data
        As for `tacit train`.
    out
        A .parquet file (columns name, label, part, vector), or a .npy file with the names in a .txt beside it.
    items
        In place of DATA: the vectors of the items that an encoder of users knows.
    batch
        Samples at a time.
    max_bad
        Largest share of files that may be unreadable.
    """
    from tacit.applying.embedding import embed_items_to, embed_to
    from tacit.encoder import load

    if data is None and not items:
        raise UsageError("name the data to embed, as for tacit train")
    if data is not None and items:
        raise UsageError(f"--items stands in place of data: leave {data} out")
    if data is None:
        count, dim = embed_items_to(load(encoder), out)
    else:
        count, dim = embed_to(load(encoder), data, out, batch=batch, max_bad=max_bad)
    sys.stdout.write(f"{out}: {count} vectors of {dim} numbers\n")


def export(encoder: str, *, out: Path) -> None:
    """Write an encoder of texts as a folder that sentence-transformers loads, with the same vectors.

    Parameters
    ----------
    encoder
        A run folder, an encoder folder or a checkpoint: of a bag of words, or of a run that started from a folder of
        transformers.
    out
        A folder that is new or empty.
    """
    from tacit.applying.exporting import export_to
    from tacit.encoder import load

    export_to(load(encoder), out)
    sys.stdout.write(f"{out}\n")
    sys.stderr.write(
        f"\nnext:\n  python -c \"from sentence_transformers import SentenceTransformer as S; S('{out}')\"\n"
    )


COMMANDS: Commands = (
    (
        embed,
        """Examples:
  tacit embed runs/photos-simclr photos --out vectors.parquet
  tacit embed runs/photos-simclr new.zip --out vectors.npy
  tacit embed runs/shop --items --out items.parquet           of items, where users are embedded""",
    ),
    (
        export,
        """Examples:
  tacit train reviews.jsonl --time 1m --out runs/reviews
  tacit export runs/reviews --out reviews-encoder""",
    ),
)
