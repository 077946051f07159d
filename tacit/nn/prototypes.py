"""Directions that samples are told apart by: clusters without labels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tacit.losses.evenness import koleo
from tacit.nn.standardise import over_batch
from tacit.ranks import gathered, most


class Prototypes(nn.Module):
    """How much an embedding is like each of K learnt directions (Caron et al. 2020, arXiv 2006.09882, section 3.1)."""

    def __init__(self, dim: int, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(F.normalize(torch.randn(count, dim), dim=1))

    def forward(self, z: Tensor) -> Tensor:
        """Cosines `[..., K]` of `z [..., D]`, float32."""
        return F.normalize(z.float(), dim=-1) @ F.normalize(self.weight.float(), dim=1).T


@torch.no_grad()
def shared_out(scores: Tensor, temperature: float, rounds: int = 3, valid: Tensor | None = None) -> Tensor:
    """Samples shared out among prototypes so that all get as many: Sinkhorn's rounds on exp(scores / temperature)
    (Cuturi 2013, arXiv 1306.0895; Caron et al. 2020, arXiv 2006.09882, eq. 3 and 5).

    Args:
        scores: `[..., B, K]`, each `[B, K]` shared out by itself.
        temperature: towards 0 it becomes the best assignment there is, and takes more rounds.
        rounds: of making prototypes and then samples alike.
        valid: boolean `[..., B]`, False where there is no sample; all are by default.

    Returns:
        `[..., B, K]`, each row adds up to 1, each column, after enough rounds, to B / K; zeros where no sample is.
    """
    nobody = None if valid is None else ~valid[..., None]
    logs = (scores / temperature).double()
    if nobody is not None:
        logs = logs.masked_fill(nobody, -torch.inf)
    for _ in range(rounds):
        logs = logs - logs.logsumexp(dim=-2, keepdim=True)
        logs = logs - logs.logsumexp(dim=-1, keepdim=True)
        if nobody is not None:
            logs = logs.masked_fill(nobody, -torch.inf)  # no numbers until here
    return logs.exp().to(scores.dtype)


@torch.no_grad()
def shared_by_place(scores: Tensor, valid: Tensor, temperature: float) -> Tensor:
    """Tokens shared out among prototypes at each place by itself, so that no prototype stands for a place (Darcet et
    al. 2025, CAPI, arXiv 2502.08769): `[B, L, K]`.

    Args:
        scores: `[B, L, K]`, of this process; those of all are shared out together.
        valid: boolean `[B, L]`; zeros are given to what is no token.
        temperature: as in `shared_out`.
    """
    count = scores.shape[1]
    more = most(count) - count
    whole, own = gathered(F.pad(scores, (0, 0, 0, more)))
    there, _ = gathered(F.pad(valid, (0, more)))
    shares = shared_out(whole.transpose(0, 1), temperature, valid=there.T)
    return shares.transpose(0, 1)[own, :count]


@torch.no_grad()
def given(told: Tensor, prototypes: Prototypes, temperature: float) -> Tensor:
    """What of each of K prototypes is given for what a teacher says, `told [V, N, D]`, in V views: `[V, N, K]`.

    All views, and the samples of all processes, are standardised (`over_batch`) and shared out together.
    """
    whole, own = gathered(over_batch(told), dim=1)
    shares = shared_out(prototypes(whole.flatten(0, 1)), temperature)
    return shares.view(len(told), -1, shares.shape[1])[:, own]


def near(pooled: Tensor) -> Tensor:
    """How near the features of samples lie to those of another one in the batch, `[B]`: `koleo` of each of the views of
    `pooled [V, B, D]` by itself, summed over these, among the samples of all processes (Oquab et al. 2023, DINOv2,
    arXiv 2304.07193, section 4)."""
    whole, own = gathered(pooled.float(), dim=1)
    return koleo(whole)[:, own].sum(dim=0)


@torch.no_grad()
def centres(z: Tensor, count: int, rounds: int = 10) -> Tensor:
    """`count` directions around which those of `z` lie: spherical k-means (Dhillon and Modha 2001).

    Args:
        z: `[N, D]`, of length one each, at least as many as are wanted.
        count: K. It begins with as many of `z`, spread evenly over its rows.
        rounds: of Lloyd's iterations. A centre that nothing is nearest to stays where it is.

    Returns:
        `[K, D]`, of length one each.
    """
    found = z[torch.linspace(0, len(z) - 1, count, device=z.device).long()]
    for _ in range(rounds):
        nearest = (z @ found.T).argmax(dim=1)
        sums = torch.zeros_like(found).index_add_(0, nearest, z)
        alive = torch.bincount(nearest, minlength=count)[:, None] > 0
        found = torch.where(alive, F.normalize(sums, dim=1), found)
    return found


def swapped(shares: Tensor, likely: Tensor) -> Tensor:
    """What it costs to say of a sample, in each of its views, what it is given in another: cross-entropy `[B]`, the
    mean over both full views and, for each, all other views (Caron et al. 2020, arXiv 2006.09882, eq. 6).

    Args:
        shares: `[2, B, K]`, what is given in the full views, the first two.
        likely: `[V, B, K]`, logarithms of what is said in each view.
    """
    losses = [
        -(shares[full] * likely[other]).sum(dim=1)
        for full in range(len(shares))
        for other in range(len(likely))
        if other != full
    ]
    return torch.stack(losses).mean(dim=0)
