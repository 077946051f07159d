"""Patches: whitened k-means, no gradients; the floor that a deep network has to beat on a CPU."""

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
from tacit.nn.patches import PatchEncoder, contrast
from tacit.nn.whiten import zca

MOMENTS, START, LLOYD = 0, 1, 2  # stages: statistics, first atoms, then one stage an iteration of k-means
ATOMS = 3
"""How many of a sample's strongest patches are shown."""


class Patches(ClosedForm):
    """Learns a dictionary of typical small patches and describes a sample by which of them lie where.

    Three sums over the data: the mean and covariance of patches (which give the ZCA whitening), some patches as
    first atoms, and the sums of each iteration of Lloyd's k-means. Pixels only: it needs a grid.
    """

    paper = "Coates, Lee and Ng 2011, An Analysis of Single-Layer Networks in Unsupervised Feature Learning, AISTATS"
    formula = "f_k(x) = sqrt(mean over a quadrant of max(0, mean_j |x - c_j| - |x - c_k|)),  c = k-means, whitened"
    presets = {
        "default": {"encoder": {"name": "patches", "filters": 2000}},
        "paper": {"encoder": {"name": "patches", "filters": 4000}, "method": {"iterations": 50, "ridge": 0.1}},
    }

    count: Tensor
    total: Tensor
    outer: Tensor
    members: Tensor
    filled: Tensor
    sums: Tensor

    class Config(Named):
        name: Literal["patches"] = "patches"
        iterations: int = Field(default=10, ge=0, description="rounds of k-means")
        patches: int = Field(default=200_000, ge=1000, description="patches that each round sees")
        each: int = Field(default=32, ge=1, description="patches taken from a sample, at random places")
        ridge: float = Field(
            default=1.0, gt=0, description="added to the variances before whitening: large, smooth atoms"
        )

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        if not isinstance(encoder, PatchEncoder):
            raise UsageError("method patches learns its own encoder: leave --encoder away, or write --encoder patches")
        self.config = config
        self.learnt = encoder
        filters, width = encoder.atoms.shape
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))
        self.register_buffer("total", torch.zeros(width))
        self.register_buffer("outer", torch.zeros(width, width))
        self.register_buffer("sums", torch.zeros(filters, width))
        self.register_buffer("members", torch.zeros(filters))

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(("plain", "grid"))

    @property
    def encoder(self) -> Encoder:
        return self.learnt

    def wanted(self, stage: int) -> int:
        if stage >= LLOYD + self.config.iterations:
            return 0
        patches = len(self.sums) if stage == START else self.config.patches
        return -(-patches // self.config.each)

    @torch.no_grad()
    def absorb(self, view: View, stage: int) -> None:
        rows = self._some(view)
        if stage == MOMENTS:
            self.count += len(rows)
            self.total += rows.sum(dim=0)
            self.outer += rows.T @ rows
            return
        white = (rows - self.learnt.mean) @ self.learnt.whiten
        if stage == START:
            room = self.sums[int(self.filled) :]
            room[: len(white)] = white[: len(room)]
            self.filled += min(len(room), len(white))
            return
        atoms = self.learnt.atoms
        nearest = (white @ atoms.T - 0.5 * atoms.square().sum(dim=1)).argmax(dim=1)
        self.sums.index_add_(0, nearest, white)
        self.members += torch.bincount(nearest, minlength=len(atoms))

    @torch.no_grad()
    def solve(self, stage: int) -> None:
        if stage == MOMENTS:
            mean = self.total / self.count
            covariance = self.outer / self.count - torch.outer(mean, mean)
            self.learnt.mean.copy_(mean)
            self.learnt.whiten.copy_(zca(covariance, self.config.ridge))
        elif stage == START:
            # whitened patches have unit covariance: where there are too few of them, random ones stand in
            self.learnt.atoms.copy_(torch.randn_like(self.sums))
            self.learnt.atoms[: int(self.filled)] = self.sums[: int(self.filled)]
        else:
            alive = self.members > 0  # an atom that nobody is nearest to stays where it is
            self.learnt.atoms[alive] = self.sums[alive] / self.members[alive, None]
        self.sums.zero_()
        self.members.zero_()

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        x = views[0].x[:count]
        fired = self.learnt.activations(x)
        strongest = fired.amax(dim=(2, 3)).topk(ATOMS, dim=1).indices
        atoms = self.learnt.atoms.view(-1, x.shape[1], self.learnt.config.patch, self.learnt.config.patch)
        low, high = atoms.amin((1, 2, 3), keepdim=True), atoms.amax((1, 2, 3), keepdim=True)
        atoms = (atoms - low) / (high - low).clamp_min(1e-6)
        rows = torch.arange(count, device=x.device)
        shown = [Exhibit("the sample", views[0][:count])]
        for number in range(ATOMS):
            which = strongest[:, number]
            light = F.interpolate(fired[rows, which][:, None], x.shape[2:], mode="nearest")
            light = 0.2 + 0.8 * light / light.amax((2, 3), keepdim=True).clamp_min(1e-6)
            shown.append(Exhibit(f"patch {number + 1} of the dictionary", View(atoms[which])))
            shown.append(Exhibit("where it lies", View(x * light)))
        return shown

    def _some(self, view: View) -> Tensor:
        """`each` patches of every sample at random places: `[B each, P]`; the engine seeds the places by the step."""
        rows = self.learnt.patches(view.x)
        place = torch.randint(rows.shape[1], (len(rows), self.config.each), device=rows.device)
        return contrast(rows.gather(1, place[..., None].expand(-1, -1, rows.shape[-1])).flatten(0, 1))
