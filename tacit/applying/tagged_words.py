"""Tags of words, told word by word and written as JSON lines: a text a line, as `tacit` reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.data.tagged import TAGS, WORDS
from tacit.evaluation.spans import of_numbers, spelled
from tacit.heads.head import Answers
from tacit.heads.tag import at_words, first_pieces
from tacit.model import TrainedModel


def tags_of_words(model: TrainedModel, dataset: Dataset, rows: Tensor, answers: Answers) -> Answers:
    """Of each of the texts `rows [B]` its `tokens`, a tag for each (`tags`), and the `spans` that they say.

    Words of which the encoder saw no piece are in no span.
    """
    samples, words_of = dataset.everything(), dataset.modality.words
    assert words_of is not None, "heads for tags need words"
    told: dict[str, list[Any]] = {WORDS: [], TAGS: [], "spans": []}
    for row, tags in zip(rows.tolist(), answers["tags"], strict=True):
        words, owner = words_of(dataset.raw(int(samples.source_rows[row])), dataset.layout)
        numbers = at_words(tags, first_pieces(torch.from_numpy(owner), len(words)))
        told[WORDS].append(list(words))
        told[TAGS].append(spelled(numbers, model.classes))
        told["spans"].append(
            [
                {"class": model.classes[kind], "first": first, "end": end, "text": " ".join(words[first:end])}
                for kind, first, end in of_numbers(numbers)
            ]
        )
    return told


def write_tags(model: TrainedModel, dataset: Dataset, batches: Iterator[tuple[Tensor, Answers]], path: Path) -> None:
    """One object a text: its `name`, and what `tags_of_words` says."""
    names = dataset.everything().names
    with path.open("w", encoding="utf-8") as file:
        for rows, answers in batches:
            told = tags_of_words(model, dataset, rows, answers)
            for place, row in enumerate(rows.tolist()):
                said = {"name": printable(names[row]), **{key: values[place] for key, values in told.items()}}
                file.write(json.dumps(said, ensure_ascii=False) + "\n")
