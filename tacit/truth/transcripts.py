"""What is said in recordings, as targets."""

from __future__ import annotations

import torch
from torch import Tensor

from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.data.table import TRANSCRIPT
from tacit.errors import DataError
from tacit.heads.ctc import TranscriptTargets
from tacit.truth.unusable import check

HOW = f"give a .csv or .tsv with the columns path and {TRANSCRIPT}, and split if there are parts"


def transcripts(dataset: Dataset, max_bad: float = 0.01) -> tuple[TranscriptTargets, Tensor]:
    """The transcripts of all samples, and which samples have one, boolean `[N]`. The letters are those that occur.

    Raises `DataError` where the set holds none, or where more than the fraction `max_bad` cannot be used.
    """
    annotations = dataset.annotations and dataset.annotations.of("transcripts")
    if annotations is None:
        raise DataError(f"{printable(dataset.name)} has no transcripts: {HOW}")
    rows = dataset.everything().source_rows
    known = torch.from_numpy(annotations.present[rows])
    told = zip(rows.tolist(), known.tolist(), strict=True)
    texts, bad = [str(annotations.read(row)) if there else "" for row, there in told], []
    for number, text in enumerate(texts):
        if not text.isprintable():
            bad.append((number, "its transcript holds bytes that are no UTF-8, or characters that nobody can see"))
            texts[number], known[number] = "", False
    check(dataset, "transcripts", bad, max_bad)
    return TranscriptTargets(texts, tuple(sorted(set("".join(texts))))), known
