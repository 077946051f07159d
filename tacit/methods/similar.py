"""What contrastive methods are shown by: queries beside their positives and their hardest negatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from tacit.core import Exhibit, View

HARDEST = 3
"""Negatives that are shown."""


def kinds_of(local: int, second: str = "strong", *, full: int = 1) -> tuple[str, ...]:
    """The kinds of view of a method that compares them: two or, if more, `full` at full size, those after the first
    being `second`; or `full` such ones and `local` small crops (SwAV's multi-crop, arXiv 2006.09882)."""
    if not local:
        return ("strong", *[second] * (max(full, 2) - 1))
    others = "global" if second == "strong" else second
    return ("global", *[others] * (full - 1), *["local"] * local)


def pairs_of(views: int, full: int = 2) -> list[tuple[int, int]]:
    """Who is asked about whom: each of so many views about each of the first `full` ones, but not about itself. Small
    crops, which are the last, are asked and never asked about."""
    return [(view, truth) for view in range(views) for truth in range(full) if view != truth]


def recognised(z: Tensor, views: Sequence[View], count: int, label: Tensor | None = None) -> Sequence[Exhibit]:
    """The first `count` samples of `views`, embedded as `z [V, B, D]`: whether the other views of a sample are nearer
    to the first than those of all other samples are; where `label` (long `[B]`, -1 for none) is given, than those of
    all other classes."""
    z = F.normalize(z, dim=2)
    query, others = z[0, :count], z[1]  # one more view stands for all of them
    cosine = query @ others.T
    own = torch.eye(count, len(others), dtype=torch.bool, device=z.device)
    if label is not None:
        own |= (label[:count, None] == label) & (label >= 0)
    negative = cosine.masked_fill(own, -1)
    hardest = negative.amax(dim=1)
    return [
        Exhibit("a view", views[0][:count]),
        *(
            positive(f"positive {number}", view[:count], (query * key[:count]).sum(dim=1), hardest)
            for number, (view, key) in enumerate(zip(views[1:], z[1:], strict=True), 1)
        ),
        *negatives("nearest other", negative, lambda which: views[1][which]),
    ]


def positive(title: str, view: View, cosine: Tensor, hardest: Tensor) -> Exhibit:
    """Positives with their `cosine [N]`: right where no negative is nearer than that (`hardest [N]`)."""
    captions = [f"similarity {value:.2f}" for value in cosine.tolist()]
    return Exhibit(title, view, captions, (cosine > hardest).tolist())


def negatives(title: str, cosine: Tensor, look: Callable[[Tensor], View]) -> Sequence[Exhibit]:
    """The nearest of the negatives at `cosine [N, K]`; `look` gives the views of some (long `[N]`)."""
    near, which = cosine.topk(min(HARDEST, cosine.shape[1]), dim=1)
    return [
        Exhibit(
            f"{title} {number + 1}",
            look(which[:, number]),
            [f"similarity {value:.2f}" for value in near[:, number].tolist()],
        )
        for number in range(near.shape[1])
    ]
