"""What was done between moments, as networks read it and tell it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tacit.core import View
from tacit.errors import DataError

_SAME = 1e-6


class Actions(nn.Module):
    """Choices as they are, numbers in their own spread over the sample it was built on; 0 where that is none."""

    mean: Tensor
    std: Tensor
    nothing: Tensor
    """What an answer about the first action costs who knows nothing else (`losses.moments.action_loss`)."""

    def __init__(self, sample: View, method: str) -> None:
        """`method` names who asks. Raises `DataError` where nothing is known of actions, or all are the same."""
        super().__init__()
        if sample.actions is None:
            raise DataError(
                f"{method} learns from what was done, and these episodes have no array `actions`: add it, or choose "
                "another method, such as st-dim"
            )
        done = sample.actions[:, 0].float()
        mean, std = done.mean(dim=0), done.std(dim=0, correction=0)
        if bool((std < _SAME).all()):
            raise DataError(
                "in all these moments the same was done, so that there is nothing to tell: vary the actions"
            )
        choices = sample.actions.dtype == torch.bool
        self.width = done.shape[1]
        self.register_buffer("mean", torch.zeros_like(mean) if choices else mean)
        self.register_buffer("std", torch.ones_like(std) if choices else std.where(std >= _SAME, 1.0))
        # who knows nothing else answers by how often each choice was taken, or by the mean
        self.register_buffer("nothing", torch.special.entr(mean).sum() if choices else (std >= _SAME).float().mean())

    def forward(self, view: View) -> Tensor:
        """What was done in the N steps after a moment, `[B, N, A]`: boolean, one-hot, or standardised numbers."""
        assert view.actions is not None, "samples of a set have actions or have none"
        return view.actions if view.actions.dtype == torch.bool else (view.actions - self.mean) / self.std
