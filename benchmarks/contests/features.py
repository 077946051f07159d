"""What a probe reads: pooled features of real pictures by an untrained encoder, scaled as the probe scales them."""

from __future__ import annotations

from typing import Any

from photographs import ARCHIVE, photographs

from contests.contest import Size

PICTURES = "CIFAR-10" if ARCHIVE.is_file() else "scikit-learn's digits"
"""What the features are of: CIFAR-10 where `$TACIT_DATA` has it, else what is always there."""
CLASSES = 10


def features(size: Size) -> tuple[Any, Any]:
    """`[rows, width]` with a mean squared norm of one, and labels, long `[rows]`; the same ones at every call."""
    import torch

    from tacit.core import View
    from tacit.evaluation.features import inference
    from tacit.evaluation.scaler import Scaler
    from tacit.nn.convnet import ConvNet

    torch.manual_seed(0)
    pictures, labels = _photographs(size["rows"]) if ARCHIVE.is_file() else _digits(size["rows"])
    network = ConvNet(ConvNet.Config(width=size["width"] * 3 // 16), View(pictures[:1024]))
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = None  # a plain mean over what it sees
    with torch.no_grad():
        for some in pictures[:2560].split(256):
            network(View(some))
    with inference(network):
        found = torch.cat([network(View(some)).pooled for some in pictures.split(256)])
    return Scaler.of(found)(found), labels


def _photographs(count: int) -> tuple[Any, Any]:
    """uint8 `[count, 3, 32, 32]` evenly from the training part of CIFAR-10, in random order, and their classes."""
    import torch

    return photographs("train", lambda total: torch.randperm(total)[:count].tolist())


def _digits(count: int) -> tuple[Any, Any]:
    """uint8 `[count, 1, 10, 10]` at most 16,173 digits, each in nine places, in random order, and what they are."""
    import torch
    import torch.nn.functional as F
    from sklearn.datasets import load_digits

    data = load_digits()
    digits, labels = torch.tensor(data.images * 15).to(torch.uint8)[:, None], torch.tensor(data.target).long()
    shifted = [F.pad(digits, (x, 2 - x, y, 2 - y)) for x in range(3) for y in range(3)]
    order = torch.randperm(9 * len(digits))[:count]
    return torch.cat(shifted)[order], labels.repeat(9)[order]
