"""A first layer that is computed, not trained."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tacit.nn.whiten import zca

THRESHOLD = 0.3
"""In standard deviations of a filter's response, below which a response counts as none."""


class PatchStem(nn.Module):
    """Fixed filters: whitened patches of the data, each response split into its two signs above a threshold.

    Such a layer sees edges, colours and blobs as a trained first layer would, from the first step on and without a
    backward pass (Coates and Ng 2011, The Importance of Encoding Versus Training, section 3: patches chosen at
    random do as well as learnt ones). Gives `2 filters` channels.
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
        response = F.conv2d(x, self.weight, stride=self.stride, padding=self.weight.shape[-1] // 2)
        both = torch.cat([F.relu(response - THRESHOLD), F.relu(-response - THRESHOLD)], dim=1)
        out: Tensor = self.norm(both)
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
    atoms = F.normalize(rows[torch.randint(len(rows), (filters,))] @ whiten, dim=1) @ whiten
    atoms = atoms - atoms.mean(dim=1, keepdim=True)
    scale = (rows @ atoms.T).square().mean(dim=0).sqrt().clamp_min(1e-6)
    return (atoms / scale[:, None]).view(filters, channels, size, size)
