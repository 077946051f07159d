"""A dictionary of typical patches by whitened k-means: sums over batches, then solves, stage by stage."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tacit.nn.patch_reader import PatchReader, contrast
from tacit.nn.whiten import zca

MOMENTS, START, LLOYD = 0, 1, 2
"""Stages: statistics, first atoms, then one stage an iteration of k-means."""


class KMeans(nn.Module):
    """What learns the atoms and the whitening of a `PatchReader`, from some patches of each sample.

    Three sums over the data: the mean and covariance of patches (which give the ZCA whitening), some patches as
    first atoms, and the sums of each iteration of Lloyd's k-means. `unit`: patches and atoms have length one, so that
    the nearest atom is the one of the largest cosine (spherical k-means, Dhillon and Modha 2001).
    """

    count: Tensor
    total: Tensor
    outer: Tensor
    members: Tensor
    filled: Tensor
    sums: Tensor

    def __init__(self, reader: PatchReader, rounds: int, patches: int, each: int, ridge: float, unit: bool) -> None:
        """`rounds` of k-means of about `patches`, of which a sample gives `each`; `ridge` as of `zca`."""
        super().__init__()
        self.rounds, self.wants, self.each, self.ridge, self.unit = rounds, patches, each, ridge, unit
        filters, width = reader.atoms.shape
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))
        self.register_buffer("total", torch.zeros(width))
        self.register_buffer("outer", torch.zeros(width, width))
        self.register_buffer("sums", torch.zeros(filters, width))
        self.register_buffer("members", torch.zeros(filters))

    @property
    def stages(self) -> int:
        """How many there are."""
        return LLOYD + self.rounds

    def wanted(self, stage: int) -> int:
        """How many samples the stage reads."""
        patches = len(self.sums) if stage == START else self.wants
        return -(-patches // self.each)

    def absorb(self, reader: PatchReader, x: Tensor, stage: int) -> None:
        """Add some patches of the images `x [B, C, H, W]` to the stage's sums."""
        rows = self.some(reader, x)
        if stage == MOMENTS:
            rows = contrast(rows)
            self.count += len(rows)
            self.total += rows.sum(dim=0)
            self.outer += rows.T @ rows
            return
        white = self._long(reader.white(rows))
        if stage == START:
            room = self.sums[int(self.filled) :]
            room[: len(white)] = white[: len(room)]
            self.filled += min(len(room), len(white))
            return
        atoms = reader.atoms
        nearest = (white @ atoms.T - 0.5 * atoms.square().sum(dim=1)).argmax(dim=1)
        self.sums.index_add_(0, nearest, white)
        self.members += torch.bincount(nearest, minlength=len(atoms))

    def solve(self, reader: PatchReader, stage: int) -> None:
        """Turn the stage's sums into the reader's buffers, and begin new ones."""
        if stage == MOMENTS:
            mean = self.total / self.count
            reader.mean.copy_(mean)
            reader.whiten.copy_(zca(self.outer / self.count - torch.outer(mean, mean), self.ridge))
        elif stage == START:
            # whitened patches have unit covariance: where there are too few of them, random ones stand in
            atoms = torch.randn_like(self.sums)
            atoms[: int(self.filled)] = self.sums[: int(self.filled)]
            reader.atoms.copy_(self._long(atoms))
        else:
            alive = self.members > 0  # an atom that nobody is nearest to stays where it is
            reader.atoms[alive] = self._long(self.sums[alive] / self.members[alive, None])
        self.sums.zero_()
        self.members.zero_()

    def some(self, reader: PatchReader, x: Tensor) -> Tensor:
        """`each` patches of every sample at random places: `[B each, P]`; the engine seeds the places by the step."""
        place = torch.randint(reader.side(x) ** 2, (len(x), self.each), device=x.device)
        return reader.patches_at(x, place).flatten(0, 1)

    def _long(self, rows: Tensor) -> Tensor:
        return F.normalize(rows, dim=-1) if self.unit else rows
