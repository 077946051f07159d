"""A look at what an encoder gives, before anything is learnt."""

from __future__ import annotations

import torch

from tacit.core import Encoder, Features, View


def looked_at(encoder: Encoder, sample: View) -> Features:
    """What `encoder` says of two samples of `sample`; nothing of it moves, running statistics neither."""
    training = encoder.training
    with torch.no_grad():
        features: Features = encoder.eval()(sample[:2])
    encoder.train(training)
    return features
