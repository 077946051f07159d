"""JPEGs that are read without Pillow, beside Pillow."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tacit.errors import Unreadable
from tacit.modalities.jpeg import may_be_turned, plain_jpeg
from tacit.modalities.pictures import ImageLayout, read


def encode(array, **options):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "JPEG", **options)
    return file.getvalue()


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    grey=st.booleans(),
    quality=st.integers(1, 100),
    colours=st.sampled_from([{"subsampling": at} for at in ("4:4:4", "4:2:2", "4:2:0")] + [{"keep_rgb": True}]),
    progressive=st.booleans(),
)
def test_pixels_are_those_of_pillow(height, width, grey, quality, colours, progressive):
    array = noise(height, width) if grey else noise(height, width, 3)
    raw = encode(array, quality=quality, progressive=progressive, **colours)
    found = plain_jpeg(raw, 2000)
    expected = np.asarray(Image.open(io.BytesIO(raw)))
    assert found.shape == (height, width, 1 if grey else 3)
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)


@pytest.mark.parametrize(("least", "side"), [(50, 50), (51, 100), (101, 150), (151, 200), (200, 200), (201, 400)])
def test_large_pictures_are_decoded_at_a_fraction_that_leaves_enough(least, side):
    y, x = np.mgrid[0:400, 0:600]
    array = np.stack([x * 255 / 600, y * 255 / 400, 127 + 100 * np.sin(x / 90)], -1).astype(np.uint8)
    found = plain_jpeg(encode(array, quality=95), least)
    assert found.shape == (side, side * 3 // 2, 3)
    expected = np.asarray(Image.fromarray(array).resize((side * 3 // 2, side), Image.Resampling.BOX))
    assert np.abs(found.astype(int) - expected).mean() < 2


def test_inks_and_other_formats_are_left_to_pillow():
    file = io.BytesIO()
    Image.fromarray(noise(8, 8, 4), "RGBA").convert("CMYK").save(file, "JPEG")
    assert plain_jpeg(file.getvalue(), 8) is None
    png = io.BytesIO()
    Image.fromarray(noise(8, 8)).save(png, "PNG")
    assert plain_jpeg(png.getvalue(), 8) is None
    assert plain_jpeg(b"", 8) is None


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9])
def test_what_is_damaged_is_left_to_pillow(share):
    raw = encode(noise(64, 64, 3))
    assert plain_jpeg(raw[: int(share * len(raw))], 64) is None


def test_a_header_of_too_many_pixels_is_refused_before_any_is_decoded():
    raw = bytearray(encode(noise(8, 8, 3)))
    at = raw.index(b"\xff\xc0") + 5
    raw[at : at + 4] = struct.pack(">HH", 50_000, 60_000)
    with pytest.raises(Unreadable, match="60000 x 50000 are 3000 megapixels"):
        plain_jpeg(bytes(raw), 8)


@pytest.mark.parametrize("way", ["exif", "xmp"])
def test_a_turned_picture_says_so_in_either_way(way):
    array = np.zeros((16, 16, 3), np.uint8)
    array[:4] = 255  # bright above
    exif = Image.Exif()
    exif[0x0112] = 6
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    raw = encode(array, quality=100, subsampling="4:4:4", **({"exif": exif} if way == "exif" else {"xmp": xmp}))
    assert may_be_turned(raw)
    assert not may_be_turned(encode(array))
    pixels = read(raw, ImageLayout(channels=3, size=16))
    assert pixels[:, :, -4:].mean() > 250  # bright on the right
    assert pixels[:, :, :8].mean() < 5
