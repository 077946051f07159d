"""An epoch of SimCLR with all that it takes: two views an image, the network both ways, the loss and the optimiser."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from contests.contest import Contest, DisagreementError, Found, Side, Size
from contests.nt_xent import TEMPERATURE, plain
from contests.views import Crop, by_lightly, by_torchvision, images, pictures, recipe

CROP = Crop(32, (0.2, 1.0), 0.0)
RATE, DECAY = 1e-3, 0.02
APART = 0.05
"""How far the two losses behind an epoch may be apart, as a share: each side draws its own views and order."""


def _learner(size: Size, encoder: str) -> Any:
    """Encoder and projector, the same weights for all sides."""
    import torch

    from tacit.methods.simclr import SimCLR
    from tacit.modalities.image import IMAGE

    torch.manual_seed(0)
    sample = IMAGE.collate(images(size)[:256], None)
    kind = IMAGE.encoders[encoder]
    return SimCLR(SimCLR.Config(temperature=TEMPERATURE), kind(kind.Config(), sample), IMAGE, sample)


def _found(learner: Any, size: Size) -> Found:
    """The loss of two views of each of some images, which are the same for all sides."""
    import torch

    from tacit.augment.image import image_view
    from tacit.core import Draws, Progress
    from tacit.modalities.image import IMAGE

    index = torch.arange(min(size["images"], 256))
    view = IMAGE.collate(images(size)[index], None)
    views = [image_view(view, recipe(CROP, CROP.side), Draws.of(1, 0, index, at)) for at in range(2)]
    with torch.no_grad():  # BatchNorm by these views, since an epoch is too short for running statistics
        return {"loss": learner(views, Progress(0, 1)).loss.mean().numpy()}


def _tacit(size: Size, encoder: str) -> Callable[[], Callable[[], Found]]:
    import lightning_fabric  # noqa: F401 - the loop imports it, and libraries are not measured

    from tacit.augment.image import image_view
    from tacit.augment.kinds import by_kind
    from tacit.data.dataset import open_dataset
    from tacit.engine import loop
    from tacit.engine.settings import Budget, EngineConfig, Optimiser
    from tacit.modalities.image import IMAGE, ImageConfig

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "images.npy"
        np.save(source, images(size).permute(0, 2, 3, 1).numpy())
        samples = open_dataset(str(source), IMAGE, ImageConfig(), cache_dir=Path(folder)).everything()
    augment = by_kind({"strong": recipe(CROP, CROP.side)}, image_view)
    config = EngineConfig(
        optimiser=Optimiser(name="adamw", lr=RATE, weight_decay=DECAY, warmup=0),
        budget=Budget(epochs=1),
        batch=size["batch"],
        precision="fp32",
        evaluations=0,
    )
    fresh = _learner(size, encoder)

    def run() -> Callable[[], Found]:
        learner = copy.deepcopy(fresh)
        loop.fit(learner, samples, augment, config)
        return lambda: _found(learner, size)

    return run


def _lightly(size: Size, encoder: str) -> Callable[[], Callable[[], Found]]:
    from lightly.loss import NTXentLoss

    loss = NTXentLoss(temperature=TEMPERATURE)
    return _loop(size, encoder, pictures(size), by_lightly(CROP), lambda z: loss(*z))


def _torch(size: Size, encoder: str) -> Callable[[], Callable[[], Found]]:
    return _loop(size, encoder, list(images(size)), by_torchvision(CROP), plain)


def _loop(
    size: Size, encoder: str, held: Sequence[Any], transform: Callable[[Any], Any], loss: Callable[[Any], Any]
) -> Callable[[], Callable[[], Found]]:
    """As guides have it: a loader, in the main process as all else, and a plain loop. `loss` is of `[2, B, D]`."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    class Views(Dataset[Any]):
        def __len__(self) -> int:
            return len(held)

        def __getitem__(self, row: int) -> list[Any]:
            return [transform(held[row]) for _ in range(2)]

    loader = DataLoader(Views(), size["batch"], shuffle=True, drop_last=True)
    fresh = _learner(size, encoder)

    def run() -> Callable[[], Found]:
        learner = copy.deepcopy(fresh)
        read, head = learner.encoder, learner.embedder.head
        read.body.to(memory_format=torch.contiguous_format)  # as networks are, unless one asks for another
        optimiser = torch.optim.AdamW(learner.parameters(), RATE, weight_decay=DECAY)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, len(loader))

        def embedded(x: torch.Tensor) -> torch.Tensor:
            last = read.body(read.standardise(x))
            peaks = [last.amax((2, 3))] if encoder == "convnet" else []
            return head(torch.cat([last.mean((2, 3)), *peaks], dim=1))

        for views in loader:
            loss(torch.stack([embedded(x) for x in views])).backward()
            optimiser.step()
            optimiser.zero_grad()
            scheduler.step()
        return lambda: _found(learner, size)

    return run


def _check(ours: Found, theirs: Found) -> str:
    one, other = float(ours["loss"]), float(theirs["loss"])
    if not abs(one / other - 1) <= APART:  # also where it is no number
        raise DisagreementError(f"the loss behind the epoch is {one:.3f}, not {other:.3f}")
    return f"the loss behind the epoch is {one:.3f} and {other:.3f}"


def contest(module: str, network: str, encoder: str, full: Size, tiny: Size) -> Contest:
    """The contest that stands in `module`, of an `encoder` of tacit's, called `network` in its title."""
    return Contest(
        module,
        f"epoch-{encoder}",
        f"an epoch of SimCLR, {network}, {{images:,}} images of {{side}} px",
        Side("tacit", "tacit", partial(_tacit, encoder=encoder)),
        (
            Side("lightly", "lightly", partial(_lightly, encoder=encoder)),
            Side("torch and torchvision", "torch", partial(_torch, encoder=encoder)),
        ),
        {name: {"side": CROP.side, **size} for name, size in (("full", full), ("tiny", tiny))},
        _check,
        settle=lambda found: found(),
    )
