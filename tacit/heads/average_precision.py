"""Average precision of boxes: COCO's measure by its own code, and the same under resampling of the samples."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit.heads.boxes import NONE, BoxTargets
from tacit.heads.head import Answers, Scores

LIMIT = 100
"""Boxes a sample that are looked at, as COCO's protocol has it."""
HALF, THREE_QUARTERS = 0, 5
"""Places of the overlaps .5 and .75 among the ten from .5 to .95."""
_RECALLS = torch.from_numpy(np.linspace(0, 1, 101))  # the library's own numbers, to the last bit


def scores(answers: Sequence[Answers], targets: BoxTargets) -> Scores:
    """AP (the mean over overlaps from .5 to .95), AP50, AP75, and the AP of each class, as functions of weights.

    What was answered, in batches, is matched by pycocotools with the boxes of all samples; both are in packed cells.
    Proportions do not matter: the overlap of two boxes stays where both are stretched. The sums over the matches are
    taken here, as pycocotools takes them, but for samples that count several times or not at all.
    """
    per_sample = _matched(answers, targets)
    present = sorted(set(targets.labels[targets.labels != NONE].tolist()))
    found = {label: _Class(per_sample[label * len(targets) : (label + 1) * len(targets)]) for label in present}

    def measured(weights: Tensor) -> dict[str, Tensor]:
        by_class = torch.stack([each.precision(weights.double()) for each in found.values()])  # [C, T, R]
        mean = by_class.nanmean(0)
        metrics = {"AP": mean.mean(0), "AP50": mean[HALF], "AP75": mean[THREE_QUARTERS]}
        plain = [each.precision(torch.ones(1, len(targets), dtype=torch.float64)).mean() for each in found.values()]
        for label, own, otherwise in zip(found, by_class, plain, strict=True):
            # a resample without any box of the class says nothing about it
            metrics[f"AP of {targets.classes[label]}"] = own.mean(0).nan_to_num(nan=float(otherwise))
        return metrics

    return measured


class _Class:
    """The answers of one class, best first, and whether they are right at each of T overlaps."""

    def __init__(self, per_sample: Sequence[Mapping[str, Any] | None]) -> None:
        own = [(sample, one) for sample, one in enumerate(per_sample) if one is not None]
        self.truths = torch.zeros(len(per_sample), dtype=torch.float64)
        for sample, one in own:
            self.truths[sample] = len(one["gtIds"])
        best = torch.from_numpy(np.argsort(-np.concatenate([one["dtScores"] for _, one in own]), kind="mergesort"))
        self.owners = torch.tensor([sample for sample, one in own for _ in one["dtScores"]], dtype=torch.long)[best]
        self.hits = torch.from_numpy(np.concatenate([one["dtMatches"] for _, one in own], axis=1) > 0)[:, best]

    def precision(self, weights: Tensor) -> Tensor:
        """Average precision `[T, R]` where samples count `weights [R, N]` times; NaN where there is no box."""
        weight = weights[:, self.owners]
        total = weights @ self.truths
        seen = weight.cumsum(1).clamp_min(1e-12)
        # between two right answers precision only falls, so the places of the right ones are all that matters
        places = [hit.nonzero().flatten() for hit in self.hits]
        return torch.stack([_interpolated(weight[:, hit].cumsum(1), seen[:, hit], total) for hit in places])


def _interpolated(right: Tensor, seen: Tensor, total: Tensor) -> Tensor:
    """Mean over 101 recalls of the highest precision at that recall or a higher one: `[R]`, NaN where `total` is 0.

    `right`, `seen [R, n]`: how many are right and how many there are up to each right answer; `total [R]`: how many are
    to be found.
    """
    best = (right / seen).flip(1).cummax(1).values.flip(1) if right.shape[1] else right
    recall = right / total[:, None]
    place = torch.searchsorted(recall, _RECALLS.expand(len(recall), -1).contiguous())
    best = torch.cat([best, best.new_zeros(len(best), 1)], dim=1)
    value = best.gather(1, place).mean(1)
    return torch.where(total > 0, value, torch.nan)


def _matched(answers: Sequence[Answers], targets: BoxTargets) -> list[dict[str, Any] | None]:
    """What pycocotools says of each class and sample, class by class; None where neither has anything."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    described = {
        "images": [{"id": number} for number in range(len(targets))],
        "categories": [{"id": number, "name": name} for number, name in enumerate(targets.classes)],
    }
    with redirect_stdout(io.StringIO()):
        sets = []
        for entries in (_truth(targets), _said(answers)):
            one = COCO()
            one.dataset = {**described, "annotations": entries}
            one.createIndex()
            sets.append(one)
        evaluation = COCOeval(*sets, "bbox")
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.params.maxDets = [LIMIT]
        evaluation.evaluate()
    return list(evaluation.evalImgs)


def _truth(targets: BoxTargets) -> list[dict[str, Any]]:
    corners, labels = targets.corners.cpu(), targets.labels.cpu()
    places = (labels != NONE).nonzero().tolist()
    return [
        _entry(number, row, corners[row, box], int(labels[row, box])) for number, (row, box) in enumerate(places, 1)
    ]


def _said(answers: Sequence[Answers]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    row = 0
    for batch in answers:
        for boxes, labels, scores in zip(batch["boxes"], batch["labels"], batch["scores"], strict=True):
            for corners, label, score in zip(boxes, labels.tolist(), scores.tolist(), strict=True):
                entries.append({**_entry(len(entries) + 1, row, corners, label), "score": score})
            row += 1
    return entries


def _entry(number: int, row: int, corners: Tensor, label: int) -> dict[str, Any]:
    """An annotation as COCO writes it. Ids start at 1: pycocotools takes 0 for no match."""
    left, upper, right, lower = corners.tolist()
    box = [left, upper, right - left, lower - upper]
    return {"id": number, "image_id": row, "category_id": label, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
