"""A first layer that is computed, not trained."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tacit.nn.whiten import zca

THRESHOLD = 0.3
"""In standard deviations of a filter's response, below which a response counts as none."""


ROUNDS = 6
"""Of k-means; after two seconds more of them change nothing that can be seen."""


class PatchStem(nn.Module):
    """Fixed filters: typical whitened patches of the data, each response split into its two signs above a threshold.

    Such a layer sees edges, colours and blobs as a trained first layer would, from the first step on and without a
    backward pass (Coates and Ng 2011, The Importance of Encoding Versus Training). Gives `2 filters` channels.
    """

    weight: Tensor

    def __init__(self, sample: Tensor, filters: int, *, size: int = 5, stride: int = 2) -> None:
        """`sample [B, C, H, W]`: standardised images that the patches are taken from."""
        super().__init__()
        self.stride = stride
        self.register_buffer("weight", _filters(sample, filters, size))
        self.norm = nn.BatchNorm2d(2 * filters, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, H, W]` -> `[B, 2 filters, H / stride, W / stride]`."""
        # both signs by one convolution: passes over memory to make them take longer than its products
        weight = torch.cat([self.weight, -self.weight])
        bias = weight.new_full((len(weight),), -THRESHOLD)
        response = F.conv2d(x, weight, bias, stride=self.stride, padding=self.weight.shape[-1] // 2)
        out: Tensor = self.norm(response.relu_())
        return out


def _filters(sample: Tensor, filters: int, size: int) -> Tensor:
    """`[filters, C, size, size]`: whitened random patches, scaled to unit response."""
    channels = sample.shape[1]
    rows = F.unfold(sample, size, stride=2).transpose(1, 2).flatten(0, 1)
    rows = rows[torch.randperm(len(rows))[:80_000]]
    rows = rows - rows.mean(dim=1, keepdim=True)
    covariance = rows.T @ rows / len(rows)
    variance = covariance.diagonal().mean().clamp_min(1e-6)
    whiten = zca(covariance, float(0.01 * variance))
    atoms = _typical(F.normalize(rows @ whiten, dim=1), filters) @ whiten
    atoms = atoms - atoms.mean(dim=1, keepdim=True)
    scale = (rows @ atoms.T).square().mean(dim=0).sqrt().clamp_min(1e-6)
    return (atoms / scale[:, None]).view(filters, channels, size, size)


def _typical(white: Tensor, count: int) -> Tensor:
    """`count` directions that rows `[N, P]` of unit length lie along or against: spherical k-means up to the sign."""
    atoms = white[torch.randint(len(white), (count,))]
    for _ in range(ROUNDS):
        similarity = white @ atoms.T
        nearest = similarity.abs().argmax(dim=1)
        sign = similarity.gather(1, nearest[:, None]).sign()
        total = torch.zeros_like(atoms).index_add_(0, nearest, white * sign)
        # a direction that nobody is nearest to stays where it is
        atoms = torch.where(total.norm(dim=1, keepdim=True) > 0, F.normalize(total, dim=1), atoms)
    return atoms
