"""How well scores order what comes before what does not, over whole episodes."""

from __future__ import annotations

import torch
from torch import Tensor

_CHUNK = 2**22


def ordered(scores: Tensor, came: Tensor, episodes: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Area under the ROC curve and average precision, float64 `[R]` each.

    `scores [M]`, `came`: boolean `[M]`; `episodes`: long `[M]`, 0 to E - 1; `weights [R, E]`: how often each episode
    counts. Equal scores stand at one place. Where nothing comes, or nothing else, the area is .5, and where nothing
    comes the precision is 0.
    """
    order = scores.argsort(descending=True)
    scores, came, of = scores[order], came[order].double(), episodes[order]
    last = torch.ones(len(scores), dtype=torch.bool)
    last[:-1] = scores[1:] != scores[:-1]
    areas, precisions = [], []
    for some in torch.split(weights, max(1, _CHUNK // len(scores))):
        weight = some[:, of]
        hits, asked = ((weight * each).cumsum(dim=1)[:, last] for each in (came, torch.ones_like(came)))
        misses = asked - hits
        more_hits, more_misses = (
            torch.diff(each, dim=1, prepend=each.new_zeros(len(each), 1)) for each in (hits, misses)
        )
        pairs = hits[:, -1] * misses[:, -1]
        area = (more_misses * (hits - more_hits / 2)).sum(dim=1)
        areas.append(torch.where(pairs > 0, area / pairs.clamp_min(1e-12), 0.5))
        precision = (more_hits * hits / asked.clamp_min(1e-12)).sum(dim=1)
        precisions.append(precision / hits[:, -1].clamp_min(1e-12))
    return torch.cat(areas), torch.cat(precisions)
