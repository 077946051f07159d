"""Features of whole data sets, and the one way in which this package runs an encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from tacit import console, interrupt
from tacit.core import Augmentation, Draws, Encoder, Samples, View
from tacit.errors import RunError

SAMPLE = 1024
"""Samples whose statistics standardise the encoder's input."""
CONCLUDED = 20_000
"""Samples of which an encoder solves what is left when steps have ended."""
WATCHED = 512
"""How many samples stand for a data set while it is trained on."""


@contextmanager
def inference(module: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients inside the block; afterwards each part of `module` is in its former mode."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, training in modes:
            part.training = training


def extract(
    encoder: Encoder,
    samples: Samples,
    *,
    batch: int = 512,
    device: torch.device | str = "cpu",
    bf16: bool = False,
    title: str = "features",
) -> Tensor:
    """Pooled features of all `samples`, float32 `[N, D]` on the CPU. `encoder` must be on `device` already."""
    kind = torch.device(device).type

    def read(view: View) -> Tensor:
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=bf16):
            pooled: Tensor = encoder(view.to(device)).pooled
            return pooled

    with inference(encoder):
        return extract_floor(read, samples, batch=batch, title=title)


def extract_floor(
    function: Callable[[View], Tensor], samples: Samples, *, batch: int = 512, title: str = "features"
) -> Tensor:
    """`function` of the plain views of all `samples`, float32 `[N, D]` on the CPU."""
    features = torch.empty(0)
    with console.progress(title, len(samples)) as tick:
        for rows in torch.split(torch.arange(len(samples)), batch):
            interrupt.check()
            part = function(samples.view(rows)).float().cpu()
            if len(features) == 0:
                features = torch.empty(len(samples), part.shape[1])
            features[rows[0] : rows[-1] + 1] = part
            tick(int(rows[-1]) + 1)
    return features


def settle(
    encoder: Encoder, samples: Samples, *, batches: int = 10, batch: int = 256, device: torch.device | str = "cpu"
) -> None:
    """Fit the statistics of an untrained encoder's BatchNorm to the data, and what it solves, as training would have.

    Without this the untrained row would be judged with other normalisation than the trained one. Only BatchNorm
    is put into training mode, so nothing random happens; its statistics are plain means over the batches.
    """
    norms = [part for part in encoder.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(0))
    with inference(encoder):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        for rows in torch.split(order, batch)[: batches if norms else 0]:
            if len(rows) > 1:
                interrupt.check()
                encoder(samples.view(rows).to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    with inference(encoder):
        encoder.conclude(plain_views(samples, device))


def watched_rows(samples: Samples, count: int = WATCHED) -> Tensor:
    """Long `[B]`, at most `count` rows spread evenly over `samples`."""
    return torch.linspace(0, len(samples) - 1, min(count, len(samples))).long()


def plain_views(
    samples: Samples, device: torch.device | str, *, count: int = CONCLUDED, batch: int = 256
) -> Iterator[View]:
    """Plain views of at most `count` samples, spread evenly over them, in batches on `device`."""
    for rows in torch.split(watched_rows(samples, count), batch):
        interrupt.check()
        yield samples.view(rows).to(device)


def sample_of(samples: Samples) -> View:
    """Plain views that stand for all `samples`: their shape and their statistics."""
    return samples.view(watched_rows(samples, SAMPLE))


def extract_pairs(
    encoder: Encoder,
    samples: Samples,
    augment: tuple[Augmentation, Augmentation],
    *,
    count: int = WATCHED,
    device: torch.device | str = "cpu",
) -> tuple[Tensor, Tensor]:
    """Features `[B, D]` and `[B, D]` of two random views of at most `count` samples: the same ones at every call."""
    rows = watched_rows(samples, count)
    view = samples.view(rows).to(device)
    with inference(encoder):
        first, second = (
            encoder(function(view, Draws.of(0, 0, rows.to(device), number))).pooled.float().cpu()
            for number, function in enumerate(augment)
        )
    return first, second


def must_be_finite(features: Tensor, name: str) -> Tensor:
    """`features`, or an error that names the row where they are no numbers."""
    total = features.sum(1).isfinite()
    if not total.all():
        raise RunError(
            f"{name}: {int((~total).sum())} of {len(features)} samples have features that are not finite numbers. "
            "The encoder diverged, or the data hold NaN: train with a lower learning rate, or clean the data."
        )
    return features
