"""The second epoch over a folder of JPEGs: tacit's packed rows beside files that a loader decodes again.

Both read in one process, in the same order, and give the batches that a method gets before views are made of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from contests.contest import Contest, Found, Side, Size
from contests.jpegs import check, folder, square


def _order(count: int) -> Any:
    import torch

    return torch.randperm(count, generator=torch.Generator().manual_seed(1))


def _files(size: Size) -> Path:
    return folder(size["images"], size["width"], size["height"])


def _tacit(size: Size) -> Callable[[], Found]:
    import torch

    from tacit.data.dataset import open_dataset
    from tacit.modalities import MODALITIES

    place, modality = _files(size), MODALITIES["image"]
    config = modality.config(size=size["side"])
    packed = place / "packed"  # goes with it
    samples = open_dataset(str(place), modality, config, cache_dir=packed).everything()
    order = _order(len(samples))

    def run() -> Found:
        batch = torch.empty(0)
        for rows in order.split(size["batch"]):
            batch = samples.view(rows).x
        return {"pictures": batch.numpy()}

    return run


def _torch(size: Size) -> Callable[[], Found]:
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    class Pictures(Dataset[Any]):
        def __init__(self, paths: list[Path]) -> None:
            self.paths = paths

        def __len__(self) -> int:
            return len(self.paths)

        def __getitem__(self, row: int) -> torch.Tensor:
            with Image.open(self.paths[row]) as image:
                return torch.from_numpy(square(image, size["side"]).copy()).permute(2, 0, 1).float().div_(255)

    pictures = Pictures(sorted(_files(size).iterdir()))
    loader = DataLoader(pictures, batch_size=size["batch"], sampler=_order(len(pictures)).tolist())

    def run() -> Found:
        batch = torch.empty(0)
        for batch in loader:  # noqa: B007 - the last one is compared
            pass
        return {"pictures": batch.numpy()}

    return run


CONTEST = Contest(
    __name__,
    "jpeg-epochs",
    "the second epoch of {images:,} JPEGs, at {side} px",
    Side("tacit", "tacit", _tacit),
    (Side("DataLoader and Pillow", "torch", _torch),),
    {
        "full": {"images": 3000, "width": 168, "height": 112, "side": 96, "batch": 250},
        "tiny": {"images": 12, "width": 48, "height": 40, "side": 32, "batch": 4},
    },
    check,
    rounds=3,
)
