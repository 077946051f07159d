"""Tags of words as targets: read, and placed at the packed pieces of the words."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tacit import interrupt
from tacit.console import progress, say
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.errors import DataError, Unreadable
from tacit.heads.tag import NONE, TagTargets, first_pieces
from tacit.truth.unusable import check

FORMATS = (
    "files of sentences (.conll, .bio, .iob2: a word a line with its tag in the last column, an empty line behind a "
    "sentence), or .jsonl and .parquet with the members tokens and tags"
)


def tags(dataset: Dataset, max_bad: float = 0.01) -> tuple[TagTargets, Tensor]:
    """The tags of the words of all texts, and which texts have some, boolean `[N]`.

    Raises `DataError` where the set holds no tags, or those of more than the fraction `max_bad` cannot be used.
    """
    annotations, modality = dataset.annotations and dataset.annotations.of("tags"), dataset.modality
    if annotations is None or modality.words is None:
        raise DataError(f"{printable(dataset.name)} has no tags of words. They are read from {FORMATS}")
    samples = dataset.everything()
    known = torch.from_numpy(annotations.present[samples.source_rows])
    numbers, places, bad = [], [], []
    nowhere, total = 0, 0
    with progress("tags", len(samples)) as tick:
        for row, source_row in enumerate(samples.source_rows.tolist()):
            interrupt.check()
            tick(row)
            said, at = torch.zeros(0, dtype=torch.int16), torch.zeros(0, dtype=torch.int32)
            if known[row]:
                try:
                    words, owner = modality.words(dataset.raw(source_row), dataset.layout)
                    drawn = annotations.read(source_row)
                    assert isinstance(drawn, np.ndarray)
                    assert len(drawn) == len(words), "records join words as the modality separates them"
                    said, at = torch.from_numpy(drawn), first_pieces(torch.from_numpy(owner), len(words))
                    nowhere, total = nowhere + int((at == NONE).sum()), total + len(words)
                except Unreadable as error:
                    known[row] = False
                    bad.append((row, str(error)))
            numbers.append(said)
            places.append(at)
    check(dataset, "tags", bad, max_bad)
    if not annotations.classes:
        raise DataError(f"all tags of {printable(dataset.name)} are O: there is no span to learn")
    if nowhere:
        say(
            f"note: the encoder sees no piece of {nowhere:,} of {total:,} words (they lie behind its length, or its "
            "tokenizer drops them): they are not learnt, and count as in no span"
        )
    table, firsts = (pad_sequence(each, batch_first=True, padding_value=NONE) for each in (numbers, places))
    return TagTargets(table, firsts, annotations.classes), known
