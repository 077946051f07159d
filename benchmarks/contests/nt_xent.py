"""NT-Xent and its gradient, of two views: tiles beside the whole matrix of similarities."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from contests.contest import Contest, Found, Side, Size, near

TEMPERATURE = 0.5
AGREE = 1e-5


def measured(loss: Callable, size: Size) -> Callable[[], Found]:
    """`loss` of embeddings `[2, pairs, width]`, forwards and backwards."""
    import torch

    generator = torch.Generator().manual_seed(0)
    z = torch.randn(2, size["pairs"], size["width"], generator=generator).requires_grad_()

    def run() -> Found:
        z.grad = None
        value = loss(z)
        value.backward()
        assert z.grad is not None
        return {"loss": value.detach().numpy(), "gradient": z.grad.numpy()}

    return run


def _tacit(size: Size) -> Callable[[], Found]:
    from tacit.losses.contrastive import nt_xent

    return measured(lambda z: nt_xent(z, TEMPERATURE).mean(), size)


def _lightly(size: Size) -> Callable[[], Found]:
    from lightly.loss import NTXentLoss

    loss = NTXentLoss(temperature=TEMPERATURE)
    return measured(lambda z: loss(z[0], z[1]), size)


def plain(z: Any) -> Any:
    """The loss of embeddings `[2, pairs, width]` as tutorials write it, with the sample itself left out."""
    import torch
    import torch.nn.functional as F

    unit = F.normalize(z.flatten(0, 1), dim=1)
    scores = (unit @ unit.T / TEMPERATURE).fill_diagonal_(-torch.inf)
    return F.cross_entropy(scores, torch.arange(len(unit)).roll(len(unit) // 2))


def check(ours: Found, theirs: Found) -> str:
    return ", ".join(near(name, ours, theirs, AGREE) for name in ("loss", "gradient"))


TACIT = Side("tacit", "tacit", _tacit)
CONTEST = Contest(
    __name__,
    "nt-xent",
    "NT-Xent of {pairs:,} pairs of {width}, forwards and backwards",
    TACIT,
    (Side("lightly", "lightly", _lightly), Side("plain PyTorch", "torch", partial(measured, plain))),
    {"full": {"pairs": 8192, "width": 128}, "tiny": {"pairs": 300, "width": 16}},
    check,
)
