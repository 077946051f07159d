"""NT-Xent of a whole large batch, whose similarities alone would take 69 GB: who can do it, in tiles."""

from __future__ import annotations

from collections.abc import Callable

from contests.contest import Contest, Found, Side, Size
from contests.nt_xent import TACIT, TEMPERATURE, check, measured

ROWS = 256
"""Of the matrix that are there at a time: as many as take about what tacit's tiles and all embeddings take together."""


def _tiled(size: Size) -> Callable[[], Found]:
    """As tutorials do what does not fit: some rows at a time, which are computed once more on the way back."""
    import torch
    import torch.nn.functional as F
    from torch.utils.checkpoint import checkpoint

    def loss(z: torch.Tensor) -> torch.Tensor:
        unit = F.normalize(z.flatten(0, 1), dim=1)
        number = torch.arange(len(unit))

        def some(rows: torch.Tensor, own: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
            scores = (rows @ unit.T / TEMPERATURE).scatter_(1, own[:, None], -torch.inf)
            return F.cross_entropy(scores, goal, reduction="sum")

        goals = number.roll(len(unit) // 2)
        parts = [
            checkpoint(some, *tile, use_reentrant=False)
            for tile in zip(unit.split(ROWS), number.split(ROWS), goals.split(ROWS), strict=True)
        ]
        return torch.stack(parts).sum() / len(unit)

    return measured(loss, size)


CONTEST = Contest(
    __name__,
    "nt-xent-65536",
    "NT-Xent of {pairs:,} pairs of {width}, forwards and backwards",
    TACIT,
    (Side("PyTorch, rows in tiles", "torch", _tiled),),
    {"full": {"pairs": 65_536, "width": 128}, "tiny": {"pairs": 300, "width": 16}},
    check,
    warm_up=False,
)
