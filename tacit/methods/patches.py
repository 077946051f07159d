"""Patches: whitened k-means, no gradients; the floor that a deep network has to beat on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field

from tacit.config import Named
from tacit.core import ClosedForm, Encoder, Exhibit, Modality, Samples, View
from tacit.errors import UsageError
from tacit.nn.kmeans import KMeans
from tacit.nn.patches import PatchEncoder

ATOMS = 3
"""How many of a sample's strongest patches are shown."""


class Patches(ClosedForm):
    """Learns a dictionary of typical small patches and describes a sample by which of them lie where.

    The dictionary is that of whitened k-means (`tacit/nn/kmeans.py`). Pixels only: it needs a grid.
    """

    paper = "Coates, Lee and Ng 2011, An Analysis of Single-Layer Networks in Unsupervised Feature Learning, AISTATS"
    formula = "f_k(x) = sqrt(mean over a cell of max(0, mean_j |x - c_j| - |x - c_k|)),  c = k-means, whitened"
    presets = {
        "default": {"encoder": {"name": "patches", "filters": 2000}},
        "paper": {"encoder": {"name": "patches", "filters": 4000}, "method": {"iterations": 50, "ridge": 0.1}},
    }

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
        self.learnt = encoder
        self.kmeans = KMeans(encoder, config.iterations, config.patches, config.each, config.ridge, unit=False)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset(("plain", "grid"))

    @property
    def encoder(self) -> Encoder:
        return self.learnt

    def wanted(self, stage: int) -> int:
        return self.kmeans.wanted(stage) if stage < self.kmeans.stages else 0

    @torch.no_grad()
    def absorb(self, view: View, stage: int) -> None:
        self.kmeans.absorb(self.learnt, view.x, stage)

    @torch.no_grad()
    def solve(self, stage: int) -> None:
        self.kmeans.solve(self.learnt, stage)

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
