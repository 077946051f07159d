"""A tiny modality and tiny pictures, for the tests of the data layer."""

import io
import os

import numpy as np
from PIL import Image

from tacit.config import Config
from tacit.core import Modality, View
from tacit.modalities.pictures import SUFFIXES, ImageLayout, read, survey


class ToyConfig(Config):
    """Wanted layout."""

    size: int | None = None
    channels: int | None = None


TOY = Modality(
    name="toy",
    unit="pictures",
    config=ToyConfig,
    layout=ImageLayout,
    suffixes=SUFFIXES,
    survey=lambda raws, config: survey(raws, config.size, config.channels),
    read=read,
    collate=lambda packed, layout: View(packed.float() / 255),
    augment=lambda config: {},
    encoders={},
    floors={},
)


def png(seed=0, side=16, kind="PNG"):
    """A file with a picture of noise, another one for each seed."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(file, kind)
    return file.getvalue()


def fill(root, names):
    """Write a different picture under each name; returns the folder."""
    for seed, name in enumerate(names):
        path = root / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(seed))
    return root
