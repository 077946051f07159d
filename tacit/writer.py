"""Encoders that were trained to say what comes next, and can therefore tell and write."""

from __future__ import annotations

import torch

from tacit.core import Draws, Samples, TokenEncoder, View
from tacit.encoder import TrainedEncoder
from tacit.errors import UsageError

WRITER = "causal-prediction"
"""The method that trains them."""


def writer(encoder: TrainedEncoder, what: str) -> TokenEncoder:
    """The network of an encoder that was trained to write. Raises `UsageError` where it was not."""
    network, method = encoder.network, encoder.spec.training.get("method")
    able = isinstance(network, TokenEncoder) and network.causal and network.table is not None
    if not able or method != WRITER:
        raise UsageError(
            f"{what} needs an encoder that was trained to write, and {encoder.path or 'this one'} was trained with "
            f"{method}: train one with --method {WRITER}"
        )
    if encoder.modality.spell is None:
        raise UsageError(
            f"{what} is for what can be written, and {encoder.path or 'this encoder'} was trained on "
            f"{encoder.modality.unit}: `tacit recommend` goes on with what they took"
        )
    assert isinstance(network, TokenEncoder)
    return network


def seen_at_once(encoder: TrainedEncoder, samples: Samples | View) -> int:
    """How many tokens a view of training holds at most."""
    view = samples if isinstance(samples, View) else samples.view(torch.arange(min(256, len(samples))))
    augment = encoder.modality.augment(encoder.modality.config.parse(encoder.spec.modality))
    return augment["weak"](view, Draws.of(0, 0, torch.arange(len(view)), 0)).x.shape[1]
