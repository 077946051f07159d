"""What the heads that answer at every token share: features of the valid tokens, of unit variance."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tacit.core import Encoder, Features, View
from tacit.errors import UsageError
from tacit.nn.look import looked_at


class TokenNorm(nn.Module):
    """Features of tokens `[B, L, D]`, each dimension brought to unit variance over the valid ones; zeros elsewhere.

    As in `pooled.LinearReader`: one learning rate then fits encoders whose widths of features differ a thousandfold.
    """

    dim: int
    """D."""

    def __init__(self, encoder: Encoder, sample: View, task: str) -> None:
        """Raises `UsageError` for an encoder that gives a sample one vector alone."""
        super().__init__()
        tokens = looked_at(encoder, sample).tokens
        if tokens is None:
            raise UsageError(
                f"task {task} answers at every token, and {type(encoder).__name__} has one vector a sample alone: "
                "pre-train with --encoder transformer"
            )
        self.dim = tokens.shape[2]
        self.norm = nn.BatchNorm1d(self.dim, affine=False)

    def forward(self, features: Features) -> tuple[Tensor, Tensor]:
        """(`[B, L, D]` in float32, boolean `[B, L]`)."""
        assert features.tokens is not None
        tokens = features.tokens.float()
        valid = features.valid
        if valid is None:
            valid = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        normed = torch.zeros_like(tokens)
        normed[valid] = self.norm(tokens[valid])
        return normed, valid
