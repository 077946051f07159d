"""Manifold: patches that lie side by side should be alike; sums and eigenvectors, no gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from tacit.config import Named
from tacit.core import ClosedForm, Encoder, Exhibit, Modality, Samples, View
from tacit.errors import UsageError
from tacit.nn.kmeans import KMeans
from tacit.nn.manifold import ManifoldEncoder
from tacit.nn.whiten import principal, related

ALIKE = 3
"""How many patches of other samples are shown beside one."""
EACH = 4
"""Samples that a principal component is to stand on, at least."""
TILE = 16
"""Samples whose codes are held at once."""


class Manifold(ClosedForm):
    """Learns an embedding of small patches in which neighbours are alike and nothing is said twice.

    The solution of contrast between neighbouring patches, for a linear map of their codes: a dictionary by spherical
    k-means, then the directions along which codes of neighbours vary together most, then principal components of a
    sample's pooled embeddings. Pixels only: it needs a grid.
    """

    paper = "Chen et al. 2022, Minimalistic Unsupervised Learning with the Sparse Manifold Transform, arXiv 2209.15261"
    formula = "P = argmax tr(P' E[a n'] P),  P' cov(a) P = 1,  a = max(0, C u - t),  n = mean code of neighbours"
    presets = {"default": {"encoder": {"name": "manifold"}}}

    count: Tensor
    own: Tensor
    near: Tensor
    second: Tensor
    cross: Tensor
    seen: Tensor
    total: Tensor
    outer: Tensor

    class Config(Named):
        name: Literal["manifold"] = "manifold"
        iterations: int = Field(default=8, ge=0, description="rounds of k-means")
        patches: int = Field(default=100_000, ge=1000, description="patches that each round sees, and their neighbours")
        each: int = Field(default=32, ge=1, description="patches taken from a sample, at random places")
        ridge: float = Field(default=0.05, gt=0, description="added to the variances before whitening")
        reach: int = Field(default=3, ge=1, description="pixels from a patch to its neighbours on four sides")
        samples: int = Field(default=10_000, ge=1, description="samples of which principal components are taken")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        if not isinstance(encoder, ManifoldEncoder):
            raise UsageError(
                "method manifold learns its own encoder: leave --encoder away, or write --encoder manifold"
            )
        self.config = config
        self.learnt = encoder
        if encoder.side(sample.x) <= 2 * config.reach:
            raise UsageError(
                f"in images of {sample.x.shape[-1]} pixels no patch of {encoder.patch} has neighbours {config.reach} "
                "pixels away on all sides: set encoder.patch or method.reach to less"
            )
        self.kmeans = KMeans(encoder, config.iterations, config.patches, config.each, config.ridge, unit=True)
        filters, cells = len(encoder.project), len(encoder.centre)
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("own", torch.zeros(filters))
        self.register_buffer("near", torch.zeros(filters))
        self.register_buffer("second", torch.zeros(filters, filters))
        self.register_buffer("cross", torch.zeros(filters, filters))
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("total", torch.zeros(cells))
        self.register_buffer("outer", torch.zeros(cells, cells))

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(("plain", "grid"))

    @property
    def encoder(self) -> Encoder:
        return self.learnt

    def wanted(self, stage: int) -> int:
        if stage < self.kmeans.stages:
            return self.kmeans.wanted(stage)
        behind = (-(-self.config.patches // self.config.each), self.config.samples, 0)
        return behind[min(stage - self.kmeans.stages, 2)]

    @torch.no_grad()
    def absorb(self, view: View, stage: int) -> None:
        if stage < self.kmeans.stages:
            self.kmeans.absorb(self.learnt, view.x, stage)
        elif stage == self.kmeans.stages:
            for tile in torch.split(view.x, TILE):
                self._relate(*self._neighbours(tile))
        else:
            cells = self.learnt.cells(view.x)
            self.seen += len(cells)
            self.total += cells.sum(dim=0)
            self.outer += cells.T @ cells

    @torch.no_grad()
    def solve(self, stage: int) -> None:
        if stage < self.kmeans.stages:
            self.kmeans.solve(self.learnt, stage)
        elif stage == self.kmeans.stages:
            own, near = self.own / self.count, self.near / self.count
            covariance = self.second / self.count - torch.outer(own, own)
            cross = self.cross / self.count - torch.outer(own, near)
            # atoms that never fire vary in no direction: without a ridge nothing could be divided by their variance
            covariance.diagonal().add_(1e-3 * covariance.diagonal().mean().clamp_min(1e-6))
            project = related((cross + cross.T) / 2, covariance, self.learnt.project.shape[1])
            self.learnt.project.copy_(project)
            self.learnt.shift.copy_(own @ project)
        else:
            mean = self.total / self.seen
            covariance = self.outer / self.seen - torch.outer(mean, mean)
            self.learnt.centre.copy_(mean)
            components = principal(covariance, self.learnt.dim, 1e-3, self.learnt.config.evened)
            # of few samples the last directions are chance, which their scale would blow up
            components[:, max(1, int(self.seen) // EACH) :] = 0
            self.learnt.components.copy_(components)

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        x, patch = views[0].x, self.learnt.patch
        side, stride = self.learnt.side(x, self.learnt.config.stride), self.learnt.config.stride
        z = self.learnt.embedded(x)
        rows = torch.arange(count, device=x.device)
        middle = (side // 2) * (side + 1)  # of the patches, which lie row by row
        alike = torch.matmul(z[:count], z[:count, middle, :, None]).clamp_min(0)
        light = F.interpolate(alike.view(-1, 1, side, side), x.shape[2:], mode="bilinear")
        cut = F.unfold(self.learnt.reduced(x), patch, stride=stride).view(len(x), -1, patch, patch, side**2)
        best = torch.einsum("ie,nle->inl", z[:count, middle], z)
        best[rows, rows] = -1  # neighbours in the sample itself are alike anyway
        found = best.amax(dim=2).topk(min(ALIKE, len(x) - 1), dim=1).indices
        shown = [
            Exhibit("the sample", views[0][:count]),
            Exhibit("its middle patch", View(cut[:count, ..., middle])),
            Exhibit("where patches are alike", View(x[:count] * (0.2 + 0.8 * light))),
        ]
        for number, other in enumerate(found.T, 1):
            place = best[rows, other].argmax(dim=1)
            shown.append(Exhibit(f"alike {number}, of another sample", View(cut[other, ..., place])))
        return shown

    def _neighbours(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Codes of some patches and the mean codes of their four neighbours, `[B each, K]` both.

        The engine seeds the places by the step.
        """
        reader, reach = self.learnt, self.config.reach
        side = reader.side(x)
        place = torch.randint(reach, side - reach, (2, len(x), self.config.each), device=x.device)
        middle = place[0] * side + place[1]
        places = torch.stack([middle + step for step in (0, -reach, reach, -reach * side, reach * side)], dim=2)
        rows = reader.patches(x)
        rows = rows.gather(1, places.flatten(1)[..., None].expand(-1, -1, rows.shape[-1]))
        codes = reader.codes(rows).view(-1, places.shape[2], len(reader.atoms))
        return codes[:, 0], codes[:, 1:].mean(dim=1)

    def _relate(self, own: Tensor, near: Tensor) -> None:
        self.count += len(own)
        self.own += own.sum(dim=0)
        self.near += near.sum(dim=0)
        self.second += own.T @ own
        self.cross += own.T @ near
