"""Predicted boxes, written as COCO JSON or drawn on the samples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from tacit import interrupt
from tacit.data.dataset import Dataset
from tacit.data.listing import printable
from tacit.data.placing import Corners, Window, to_whole
from tacit.heads.head import Answers
from tacit.model import TrainedModel
from tacit.report.outlines import Outlined, mosaic

SUFFIXES = (".json", ".png")
DRAWN = 24
"""How many samples are drawn."""
SURE = 0.3
"""The score from which a box is drawn."""

Batches = Iterator[tuple[Tensor, Answers]]


def write_boxes(model: TrainedModel, dataset: Dataset, batches: Batches, path: Path) -> None:
    """A .json file with all boxes in cells of the whole samples, or a .png of the first samples with theirs."""
    (_to_coco if path.suffix == ".json" else _to_picture)(model, dataset, batches, path)


def _extent(dataset: Dataset, row: int) -> tuple[int, int]:
    """Width and height of a sample of `Dataset.everything` as it is shown."""
    assert dataset.modality.extent is not None
    source_row = int(dataset.everything().source_rows[row])
    width, height, _ = dataset.modality.extent(dataset.raw(source_row))
    return width, height


def _window(dataset: Dataset, extent: tuple[int, int]) -> Window:
    assert dataset.modality.window is not None
    return dataset.modality.window(*extent, dataset.layout)


def _to_coco(model: TrainedModel, dataset: Dataset, batches: Batches, path: Path) -> None:
    """One object with `categories`, `images` and `annotations`, these with a `score`: written as it comes.

    What stands in `annotations` is what COCO's own code reads as results.
    """
    names = dataset.everything().names
    extents = np.zeros((len(dataset), 2), np.int32)
    height, width = dataset.layout.shape[-2:]
    with path.open("w", encoding="utf-8") as file:
        categories = [{"id": number, "name": name} for number, name in enumerate(model.classes, 1)]
        file.write(f'{{"categories": {json.dumps(categories, ensure_ascii=False)},\n"images": [')
        for row in range(len(dataset)):
            interrupt.check()
            extents[row] = wide, high = _extent(dataset, row)
            entry = {"id": row + 1, "file_name": printable(names[row]), "width": wide, "height": high}
            file.write(f"{',' if row else ''}\n{json.dumps(entry, ensure_ascii=False)}")
        file.write('\n],\n"annotations": [')
        number = 0
        for rows, answers in batches:
            for place, row in enumerate(rows.tolist()):
                window = _window(dataset, (int(extents[row, 0]), int(extents[row, 1])))
                corners = to_whole(answers["boxes"][place].numpy(), window, (height, width))
                said = zip(corners, answers["labels"][place].tolist(), answers["scores"][place].tolist(), strict=True)
                for box, label, score in said:
                    number += 1
                    entry = _annotation(number, row + 1, box, label + 1, score)
                    file.write(f"{',' if number > 1 else ''}\n{json.dumps(entry)}")
        file.write("\n]}\n")


def _annotation(number: int, row: int, corners: Corners, category: int, score: float) -> dict[str, Any]:
    left, upper, right, lower = (round(float(edge), 2) for edge in corners)
    box = [left, upper, round(right - left, 2), round(lower - upper, 2)]
    return {
        "id": number,
        "image_id": row,
        "category_id": category,
        "bbox": box,
        "area": round(box[2] * box[3], 2),
        "iscrowd": 0,
        "score": round(score, 5),
    }


def _to_picture(model: TrainedModel, dataset: Dataset, batches: Batches, path: Path) -> None:
    """The first samples as the encoder sees them, in their own proportions."""
    modality = dataset.modality
    assert modality.picture is not None
    samples = dataset.everything()
    panels: list[Outlined] = []
    for rows, answers in batches:
        for place, row in islice(enumerate(rows.tolist()), DRAWN - len(panels)):
            left, upper, right, lower = _window(dataset, _extent(dataset, row))
            sure = answers["scores"][place] >= SURE
            panels.append(
                Outlined(
                    modality.picture(samples.view(rows[place : place + 1]))[0],
                    (right - left) / (lower - upper),
                    answers["boxes"][place][sure].numpy(),
                    answers["labels"][place][sure].tolist(),
                    answers["scores"][place][sure].tolist(),
                )
            )
        if len(panels) == DRAWN:
            break
    path.write_bytes(mosaic(panels, model.classes))
