"""Codes: a number for each vector, by a random projection or by k-means."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DECAY = 0.99
"""What the sums of k-means keep of themselves at each step."""


class RandomCodes(nn.Module):
    """The nearest of K random directions after a random projection; nothing here learns.

    Chiu et al. 2022 (BEST-RQ), arXiv 2202.01855, eq. 1: argmin_i | norm(c_i) - norm(A x) |, A by Xavier, c normal.
    """

    projection: Tensor
    directions: Tensor

    def __init__(self, width: int, codes: int, narrow: int = 16) -> None:
        super().__init__()
        projection = torch.empty(width, narrow)
        nn.init.xavier_uniform_(projection)
        self.register_buffer("projection", projection)
        self.register_buffer("directions", F.normalize(torch.randn(codes, narrow), dim=1))

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Long `[...]` of vectors `[..., width]`."""
        return (F.normalize(x.float() @ self.projection, dim=-1) @ self.directions.T).argmax(dim=-1)


class Clusters(nn.Module):
    """k-means that follows the data, a batch at a time (Sculley 2010), with sums that forget.

    A centre that nobody is nearest to any more moves onto a vector of the batch.
    """

    centres: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, width: int, codes: int) -> None:
        super().__init__()
        self.register_buffer("centres", torch.zeros(codes, width))
        self.register_buffer("counts", torch.zeros(codes))
        self.register_buffer("sums", torch.zeros(codes, width))

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Long `[...]`, the nearest centre of each of the vectors `[..., width]`."""
        return (x.float() @ self.centres.T - self.centres.square().sum(dim=1) / 2).argmax(dim=-1)

    @torch.no_grad()
    def start(self, x: Tensor, rounds: int = 10) -> None:
        """Centres from the vectors `x [N, width]`: those of k-means++ (Arthur and Vassilvitskii 2007), then `rounds` of
        Lloyd's iterations."""
        away = torch.full((len(x),), 1.0, device=x.device)
        for number in range(len(self.centres)):
            if not bool(away.any()):
                self.centres[number:] = torch.randn_like(self.centres[number:])
                break
            chosen = x[torch.multinomial(away, 1)]
            self.centres[number] = chosen[0]
            away = (x - chosen).square().sum(dim=1) if number == 0 else away.minimum((x - chosen).square().sum(dim=1))
        for _ in range(rounds):
            self.counts.zero_()
            self.sums.zero_()
            self.follow(x)

    @torch.no_grad()
    def follow(self, x: Tensor) -> None:
        """Move the centres towards the vectors `x [N, width]` that are nearest to them."""
        code = self(x)
        self.counts.mul_(DECAY).add_(torch.bincount(code, minlength=len(self.counts)))
        self.sums.mul_(DECAY).index_add_(0, code, x.float())
        alive = self.counts > DECAY**100  # a member in the last hundred steps
        self.centres[alive] = self.sums[alive] / self.counts[alive, None]
        lost = (~alive).nonzero().flatten()
        if len(lost):
            self.centres[lost] = x[torch.randint(len(x), (len(lost),), device=x.device)].float()
