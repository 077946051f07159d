"""A golden table of colour modes, and orientation."""

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from tacit.modalities import pictures
from tacit.modalities.pixels import fit, resized, shrink, upright


def paletted(alpha=None):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    if alpha is not None:
        image.info["transparency"] = bytes([255, alpha])
    return image


def paletted_with_alpha(alpha):
    image = Image.new("PA", (8, 8), (1, alpha))
    image.putpalette([0, 0, 0, 10, 200, 30])
    return image


def lab(rgb):
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.buildTransform(*profiles, "RGB", "LAB").apply(Image.new("RGB", (8, 8), rgb))


def colour_key(mode, value):
    image = Image.new(mode, (8, 8), value)
    image.info["transparency"] = value
    return image


def flat(mode, value):
    return Image.new(mode, (8, 8), value)


GREEN = (10, 200, 30)
# image, its colour on 128, its grey
GOLDEN = {
    "1": (flat("1", 1), (255, 255, 255), 255),
    "1 black": (flat("1", 0), (0, 0, 0), 0),
    "L": (flat("L", 100), (100, 100, 100), 100),
    "L with transparent colour": (colour_key("L", 100), (128, 128, 128), 128),
    "LA opaque": (flat("LA", (200, 255)), (200, 200, 200), 200),
    "LA half": (flat("LA", (200, 128)), (164, 164, 164), 164),
    "LA clear": (flat("LA", (200, 0)), (128, 128, 128), 128),
    "La half": (flat("La", (100, 128)), (164, 164, 164), 164),
    "P": (paletted(), GREEN, 124),
    "P transparent": (paletted(0), (128, 128, 128), 128),
    "P half": (paletted(128), (69, 164, 79), 126),
    "PA": (paletted_with_alpha(255), GREEN, 124),
    "PA half": (paletted_with_alpha(128), (69, 164, 79), 126),
    "RGB": (flat("RGB", GREEN), GREEN, 124),
    "RGB with transparent colour": (colour_key("RGB", GREEN), (128, 128, 128), 128),
    "RGBA opaque": (flat("RGBA", (*GREEN, 255)), GREEN, 124),
    "RGBA half": (flat("RGBA", (*GREEN, 128)), (69, 164, 79), 126),
    "RGBA clear": (flat("RGBA", (*GREEN, 0)), (128, 128, 128), 128),
    "RGBa half": (flat("RGBa", (5, 100, 15, 128)), (69, 164, 79), 126),
    "RGBX": (flat("RGBX", (*GREEN, 7)), GREEN, 124),
    "CMYK red": (flat("CMYK", (0, 255, 255, 0)), (255, 0, 0), 76),
    "CMYK grey": (flat("CMYK", (0, 0, 0, 128)), (127, 127, 127), 127),
    "YCbCr red": (flat("YCbCr", (76, 85, 255)), (254, 0, 0), 76),
    "LAB": (lab((120, 160, 90)), (120, 160, 90), 140),
    "HSV red": (flat("HSV", (0, 255, 255)), (255, 0, 0), 76),
    "I;16": (flat("I;16", 4095), (255, 255, 255), 255),
    "I;16 half": (flat("I;16", 1638), (102, 102, 102), 102),
    "I;16 above white": (flat("I;16", 5000), (255, 255, 255), 255),
    "I;16B half": (flat("I;16B", 1638), (102, 102, 102), 102),
    "I": (flat("I", 1638), (102, 102, 102), 102),
    "F": (flat("F", 0.4), (102, 102, 102), 102),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_golden_table_of_modes(name):
    image, rgb, grey = GOLDEN[name]
    pixels = shrink(pictures._plain(image, white=4095), 4)
    slack = 3 if name == "LAB" else 1
    assert np.abs(fit(pixels, 3).astype(int) - np.array(rgb)).max() <= slack
    assert np.abs(fit(pixels, 1).astype(int) - grey).max() <= slack


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_pixels_is_pillows(orientation):
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    image.getexif()[0x0112] = orientation
    assert (upright(noise, orientation) == np.asarray(ImageOps.exif_transpose(image))).all()


def test_a_stretched_frame_keeps_all_of_an_image():
    array = np.zeros((20, 40, 3), np.uint8)
    array[:, :5], array[:, -5:] = 255, 255
    whole, middle = (shrink(Image.fromarray(array), 16, frame) for frame in ("stretch", "crop"))
    assert whole[:, 0].min() > 200
    assert whole[:, -1].min() > 200
    assert middle.max() < 30


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("frame", ["crop", "stretch"])
@pytest.mark.parametrize("shape", [(40, 64), (65, 40), (300, 211), (7, 5), (1, 1), (16, 16)])
def test_sizes_change_as_pillow_changes_them(shape, frame, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, channels), dtype=np.uint8)
    found = resized(pixels, 16, frame)
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    height, width = shape
    if frame == "crop":
        side = min(shape)
        left, top = (width - side) // 2, (height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    expected = np.asarray(image.resize((16, 16), Image.Resampling.BICUBIC)).reshape(16, 16, channels)
    assert found.shape == (16, 16, channels)
    assert np.abs(found.astype(int) - expected).max() <= 2


def test_what_is_given_is_neither_changed_nor_shared():
    pixels = np.arange(16 * 16, dtype=np.uint8).reshape(16, 16, 1)
    pixels.flags.writeable = False
    for size in (16, 8):
        found = resized(pixels, size)
        found[:] = 0
        assert pixels.max() == 255
