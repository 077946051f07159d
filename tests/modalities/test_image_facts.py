"""What is said of images before training."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from tacit.core import View
from tacit.errors import Unreadable
from tacit.modalities.facts import advice, facts
from tacit.modalities.pictures import ImageLayout


def file(mode="RGB", size=(30, 20), kind="PNG", **options):
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("raw", "kind", "mode", "channels"),
    [
        (file(), "PNG", "RGB, 8 bit", "3"),
        (file("L", kind="JPEG"), "JPEG", "L, 8 bit", "1"),
        (file("RGBA"), "PNG", "RGBA, 8 bit", "4"),
        (file("P", kind="GIF"), "GIF", "P, 8 bit", "3"),
        (file("1"), "PNG", "1, 1 bit", "1"),
        (file("I;16"), "PNG", "I;16, 16 bit", "1"),
        (file("F", kind="TIFF"), "TIFF", "F, 32 bit", "1"),
        (np.zeros((20, 30, 7), np.uint16), "array", "uint16", "7"),
        (np.zeros((20, 30), np.float32), "array", "float32", "1"),
    ],
)
def test_format_mode_and_channels(raw, kind, mode, channels):
    known = facts(raw)
    assert (known["format"], known["mode"], known["channels"]) == (kind, mode, channels)
    assert (known["width"], known["height"], known["aspect"]) == (30, 20, 1.5)


def test_sizes_are_those_of_the_upright_image():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert facts(file(kind="JPEG", exif=exif))["width"] == 20


def test_what_cannot_be_read_says_why():
    with pytest.raises(Unreadable, match="empty file"):
        facts(b"")


def said(width, height, layout, x=None):
    known = {"width": [width] * 3, "height": [height] * 3}
    x = torch.rand(4, layout.channels, 8, 8) if x is None else x
    return " / ".join(advice(known, layout, View(x)))


def test_details_that_vanish_are_named_with_the_setting():
    words = said(2000, 2000, ImageLayout(channels=3, size=96))
    assert "2,000 px (median) is reduced to 96: details under 42 px vanish" in words
    assert "--set modality.size=192 keeps more, at 4.0 times the cost" in words
    assert said(120, 120, ImageLayout(channels=3, size=96)) == ""
    assert "modality.size=96" in said(100, 100, ImageLayout(channels=3, size=256))
    assert said(8, 8, ImageLayout(channels=3, size=16)) == "", "the survey's own least size"


def test_what_the_frame_leaves_out():
    assert "leaves 50% of them out: --set modality.frame=stretch" in said(200, 100, ImageLayout(channels=3, size=96))
    assert "narrows them 2.0 times" in said(200, 100, ImageLayout(channels=3, size=96, frame="stretch"))


def test_grey_images():
    grey = torch.rand(4, 1, 8, 8).expand(-1, 3, -1, -1)
    assert "grey but stored as colour" in said(96, 96, ImageLayout(channels=3, size=96), grey)
    assert "all images are grey" in said(96, 96, ImageLayout(channels=1, size=96))
    assert "4 channels" in said(96, 96, ImageLayout(channels=4, size=96))
