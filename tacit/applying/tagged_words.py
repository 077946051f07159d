"""Tags of words, written as JSON lines: a text a line, as `tacit` reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tacit.data.dataset import Dataset
from tacit.data.lines import TAGS, WORDS
from tacit.data.listing import printable
from tacit.evaluation.spans import of_numbers, spelled
from tacit.heads.head import Answers
from tacit.heads.tag import at_words, first_pieces
from tacit.model import TrainedModel


def write_tags(model: TrainedModel, dataset: Dataset, batches: Iterator[tuple[Tensor, Answers]], path: Path) -> None:
    """One object a text: its `name`, `tokens`, a tag for each, and `spans` with the words that they hold."""
    with path.open("w", encoding="utf-8") as file:
        for rows, answers in batches:
            for row, tags in zip(rows.tolist(), answers["tags"], strict=True):
                file.write(json.dumps(_said(model, dataset, row, tags), ensure_ascii=False) + "\n")


def _said(model: TrainedModel, dataset: Dataset, row: int, tags: Tensor) -> dict[str, Any]:
    """What is written of one text; words of which the encoder saw no piece are in no span."""
    samples, words_of = dataset.everything(), dataset.modality.words
    assert words_of is not None, "heads for tags need words"
    words, owner = words_of(dataset.raw(int(samples.source_rows[row])), dataset.layout)
    numbers = at_words(tags, first_pieces(torch.from_numpy(owner), len(words)))
    spans = [
        {"class": model.classes[kind], "first": first, "end": end, "text": " ".join(words[first:end])}
        for kind, first, end in of_numbers(numbers)
    ]
    name = printable(samples.names[row])
    return {"name": name, WORDS: list(words), TAGS: spelled(numbers, model.classes), "spans": spans}
