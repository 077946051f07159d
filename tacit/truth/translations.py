"""Texts as targets of texts: what each sample is to be turned into."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from tacit import interrupt
from tacit.console import progress, say
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.data.records import TARGET
from tacit.errors import DataError, Unreadable
from tacit.heads.texts import TextTargets

HOW = (
    f"give a table or JSON lines with the columns text and {TARGET}, such as "
    f'{{"text": "Ein Hund.", "{TARGET}": "A dog."}}'
)


def translations(dataset: Dataset, max_bad: float = 0.01) -> tuple[TextTargets, torch.Tensor]:
    """The targets of all samples, and which samples have one, boolean `[N]`.

    They are read by the encoder's own tokenizer and cut where samples are. Raises `DataError` where the set has none,
    or where more than the fraction `max_bad` of those that are there cannot be read.
    """
    annotations, modality = dataset.annotations and dataset.annotations.of("targets"), dataset.modality
    if annotations is None or modality.spell is None:
        raise DataError(
            f"{printable(dataset.name)} has no column {TARGET!r}, so there is nothing to translate to: {HOW}"
        )
    samples, layout, spell = dataset.everything(), dataset.layout, modality.spell
    known, bad, cut = np.zeros(len(samples), bool), [], 0
    ids = np.zeros((len(samples), *layout.shape), layout.dtype)
    texts = [""] * len(samples)
    with progress("targets", len(samples)) as tick:
        for row, source_row in enumerate(samples.source_rows.tolist()):
            interrupt.check()
            tick(row)
            if not annotations.present[source_row]:
                continue
            try:
                raw = annotations.read(source_row)
            except Unreadable:
                continue  # an empty cell
            assert isinstance(raw, bytes)
            texts[row] = raw.decode().strip()
            if not texts[row]:
                continue
            try:
                ids[row] = modality.read(raw, layout)
                known[row] = True
            except Unreadable as error:
                bad.append(f"  {printable(samples.names[row])}: {error}")
            cut += int(bool(ids[row, -1]))
    _check(dataset, known, bad, max_bad)
    if cut:
        say(
            f"note: {cut:,} of {len(samples):,} targets fill all {layout.shape[0]} tokens that are kept of a text, and "
            "may be cut: pre-train with a larger --set modality.length"
        )
    return TextTargets(torch.from_numpy(ids).long(), texts, lambda rows: spell(rows, layout)), torch.from_numpy(known)


def _check(dataset: Dataset, known: np.ndarray, bad: Sequence[str], max_bad: float) -> None:
    first = "\n".join(bad[:5])
    if not known.any():
        raise DataError(
            f"no sample of {printable(dataset.name)} has a {TARGET} that can be read: {HOW}\n{first}".rstrip()
        )
    if len(bad) > max_bad * len(known):
        raise DataError(
            f"the targets of {len(bad):,} samples of {printable(dataset.name)} cannot be read (allowed are "
            f"{max_bad:.1%}): mend or empty them, or allow more with --max-bad\n{first}"
        )
    if bad:
        say(f"note: the targets of {len(bad):,} samples cannot be read, and these samples are left out:\n{first}")
