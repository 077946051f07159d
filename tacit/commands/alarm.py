"""Where something is wrong: `tacit anomalies`."""

from __future__ import annotations

import sys
from pathlib import Path

from tacit.commands.kinds import Commands


def anomalies(encoder: str, data: str, *, out: Path | None = None, k: int = 10, max_bad: float = 0.01) -> None:
    """Say where in series something is unlike before: the moments to look at, and a score of every step.

    What is normal is said by the data: rows of the split train, or without a column `split` the first 15 % of each
    series. No labels are needed; with a column `anomaly`, `tacit evaluate --task anomaly` says how far to trust it.

    Parameters
    ----------
    encoder
        A run folder, an encoder folder or a checkpoint of series, trained on windows (--set modality.window=64).
    data
        Series, as for `tacit train`.
    out
        A .parquet or .csv file for the scores of all steps: name, step, time, score.
    k
        Moments that are printed: rank, series, step, time and score, at least a window apart.
    max_bad
        Largest share of series that may be unreadable.
    """
    from tacit.encoder import load
    from tacit.looking.anomalies import find_anomalies

    found = find_anomalies(load(encoder), data, out=out, k=k, max_bad=max_bad)
    for rank, one in enumerate(found, 1):
        sys.stdout.write(f"{rank}\t{one.name}\t{one.step}\t{one.time}\t{one.score:.4f}\n")
    if out is not None:
        sys.stderr.write(f"written: {out}\n")


COMMANDS: Commands = (
    (
        anomalies,
        """Examples:
  tacit anomalies runs/sensors sensors.csv
  tacit anomalies runs/sensors sensors.csv --k 3 --out scores.parquet""",
    ),
)
