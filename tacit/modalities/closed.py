"""The closed form that a deep network on images has to beat on a CPU."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tacit.core import Modality, Samples, View
from tacit.engine import closed
from tacit.engine.environment import computes_bf16
from tacit.engine.settings import EngineConfig
from tacit.evaluation.features import inference, sample_of
from tacit.methods.patches import Patches
from tacit.nn.patches import PatchEncoder

FILTERS = 400


def patches(samples: Samples, modality: Modality) -> Callable[[View], Tensor]:
    """`patches` with 400 filters, fitted to `samples` on the CPU; features `[B, D]` of any view."""
    sample = sample_of(samples)
    network = PatchEncoder(PatchEncoder.Config(filters=FILTERS), sample)
    closed.fit(Patches(Patches.Config(), network, modality, sample), samples, EngineConfig(device="cpu"))
    fast = computes_bf16(torch.device("cpu"))

    def features(view: View) -> Tensor:
        with inference(network), torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast):
            pooled: Tensor = network(view).pooled
            return pooled

    return features
