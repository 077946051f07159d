"""CIFAR-10 as tensors, from the archive that `$TACIT_DATA` has."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ARCHIVE = Path(os.environ.get("TACIT_DATA", "")) / "images" / "cifar10.zip"


def photographs(part: str, pick: Callable[[int], Sequence[int]] = range) -> tuple[Any, Any]:
    """uint8 `[N, 3, 32, 32]` and classes, long `[N]`, of `train` or `test`: all, class by class, or those that are
    picked of so many."""
    import numpy as np
    import torch
    from PIL import Image

    with zipfile.ZipFile(ARCHIVE) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg") and f"/{part}/" in name)
        classes = sorted({name.split("/")[-2] for name in names})
        picked = [names[at] for at in pick(len(names))]
        arrays = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in picked]
    labels = torch.tensor([classes.index(name.split("/")[-2]) for name in picked])
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous(), labels
