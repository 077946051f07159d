"""The perceptual hash: what it survives and what it tells apart."""

import io

import numpy as np
import torch
from PIL import Image, ImageEnhance

from tacit.modalities.likeness import SIDE, perceptual_hash


def photographs(count=20, side=64):
    """Large shapes with finer ones on them, as photographs have."""
    rng = np.random.default_rng(0)

    def layer(cells):
        small = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        return small.resize((side, side), Image.Resampling.BICUBIC)

    return [Image.blend(layer(5), layer(16), 0.5) for _ in range(count)]


def bits(images):
    return perceptual_hash(np.stack([np.asarray(image) for image in images]))


def squeezed(image):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=30)
    return Image.open(buffer).convert("RGB")


def test_copies_keep_nine_bits_of_ten_and_strangers_about_half():
    images = photographs()
    own = bits(images)
    assert own.shape == (20, SIDE * SIDE)
    assert own.dtype == torch.int8
    assert set(own.unique().tolist()) == {-1, 1}
    halved = [image.resize((32, 32), Image.Resampling.BICUBIC).resize(image.size) for image in images]
    lighter = [ImageEnhance.Brightness(image).enhance(1.1) for image in images]
    for copies in ([squeezed(image) for image in images], halved, lighter):
        same = (own == bits(copies)).float().mean(1)
        assert same.mean() > 0.95
        assert same.min() > 0.85
    strangers = (own[:, None] == own).float().mean(2).fill_diagonal_(0)
    assert strangers.max() < 0.8


def test_blank_pictures_have_a_hash_too():
    assert bits([Image.new("RGB", (16, 16), colour) for colour in ("black", "white")]).shape == (2, SIDE * SIDE)
