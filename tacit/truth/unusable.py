"""What of a truth cannot be used: how much of it is too much."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.errors import DataError


def check(dataset: Dataset, what: str, bad: Sequence[tuple[int, str]], max_bad: float) -> None:
    """Raise `DataError` where more than the fraction `max_bad` of the `what` of a set are `bad` (row, reason)."""
    if len(bad) <= max_bad * len(dataset):
        return
    names = dataset.everything().names
    first = "\n".join(f"  {printable(names[row])}: {reason}" for row, reason in bad[:5])
    allow = math.ceil(100 * len(bad) / len(dataset)) / 100
    raise DataError(
        f"the {what} of {len(bad):,} samples of {printable(dataset.name)} cannot be used (allowed are {max_bad:.1%}): "
        f"repair these files, or remove them, so that their samples count as unlabelled, or allow more with --max-bad "
        f"{allow:.2f}\n{first}"
    )
