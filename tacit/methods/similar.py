"""What contrastive methods are shown by: queries beside their positives and their hardest negatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from tacit.core import Exhibit, View

HARDEST = 3
"""Negatives that are shown."""


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
