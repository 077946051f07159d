"""An encoder as a features extractor of stable-baselines3."""

from __future__ import annotations

import copy
from typing import Any, Self

import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor

from tacit.acting.sight import layout_of
from tacit.core import View
from tacit.encoder import TrainedEncoder, load
from tacit.errors import UsageError


class EncoderExtractor(BaseFeaturesExtractor):  # type: ignore[misc]
    """Features of moments; the policy standardises frames to [0, 1] itself, as encoders want them.

    Each network of an agent that asks for an extractor gets an encoder of its own, from the same weights.
    """

    def __init__(self, observation_space: Any, encoder: TrainedEncoder | str, frozen: bool = False) -> None:
        loaded = encoder if isinstance(encoder, TrainedEncoder) else load(encoder)
        super().__init__(observation_space, loaded.dim)
        layout = layout_of(loaded)
        first, *rest = layout.observed
        expected = (layout.stack * first, *rest)
        if observation_space.shape != expected:
            raise UsageError(
                f"the encoder reads moments of shape {list(expected)}, {layout.stack} observations each, and those of "
                f"the environment are {list(observation_space.shape)}: tacit.environment shows it what it learnt on"
            )
        self.frozen = frozen
        self.encoder = copy.deepcopy(loaded.network).cpu().requires_grad_(not frozen)
        self.train()

    def train(self, mode: bool = True) -> Self:
        """One that stays as it is stays in evaluation mode, too."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def forward(self, observations: Tensor) -> Tensor:
        """`[B, D]`."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            pooled: Tensor = self.encoder(View(observations)).pooled
        return pooled.float()
