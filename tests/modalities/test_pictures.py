"""The image reader: formats, geometry, the survey, and files that must be refused with a reason."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageOps

from tacit.errors import DataError, Unreadable
from tacit.modalities.pictures import ImageLayout, read, survey

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")


def encode(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def photo(width, height):
    """Smooth colours, so that lossy formats keep them."""
    y, x = np.mgrid[0:height, 0:width]
    bands = (255 * x / width, 255 * y / height, 127 + 100 * np.sin(x / width * 3))
    return Image.fromarray(np.stack(bands, -1).astype(np.uint8))


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read_alike(kind):
    image = photo(60, 40)
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    pixels = read(encode(image, kind, **options), ImageLayout(channels=3, size=16))
    expected = read(np.asarray(image), ImageLayout(channels=3, size=16))
    assert pixels.shape == (3, 16, 16)
    assert pixels.dtype == np.uint8
    slack = {"GIF": 30, "JPEG": 6}.get(kind, 0)  # a palette of 256 colours; loss
    assert np.abs(pixels.astype(int) - expected.astype(int)).max() <= slack


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "I;16"), ("TIFF", "I;16"), ("TIFF", "I;16B")])
def test_twelve_bits_in_sixteen_keep_their_contrast(kind, mode):
    ramp = np.linspace(0, 4095, 32 * 32).reshape(32, 32)
    image = Image.fromarray(ramp.astype(">u2" if mode == "I;16B" else "<u2"))
    raw = encode(image, kind)
    layout = survey([raw, raw], None, None)
    assert layout == ImageLayout(channels=1, size=32, white=4095)
    pixels = read(raw, layout)[0]
    assert np.abs(pixels - ramp * 255 / 4095).max() <= 1
    assert read(raw, ImageLayout(channels=3, size=32, white=4095)).shape == (3, 32, 32)


def test_cmyk_jpegs_of_adobe_are_not_negative():
    raw = encode(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG")
    assert b"Adobe" in raw
    red, green, blue = read(raw, ImageLayout(channels=3, size=16)).mean((1, 2))
    assert red > 245
    assert green < 10
    assert blue < 10


def test_alpha_is_kept_where_the_layout_has_it():
    raw = encode(Image.new("RGBA", (16, 16), (10, 200, 30, 100)), "PNG")
    assert read(raw, ImageLayout(channels=4, size=16))[:, 0, 0].tolist() == [10, 200, 30, 100]
    assert read(raw, ImageLayout(channels=2, size=16))[:, 0, 0].tolist() == [124, 100]
    plain = encode(Image.new("L", (16, 16), 50), "PNG")
    assert read(plain, ImageLayout(channels=4, size=16))[:, 0, 0].tolist() == [50, 50, 50, 255]


def test_colour_below_transparent_pixels_does_not_bleed():
    icon = np.zeros((64, 64, 4), np.uint8)
    icon[..., 0] = 255  # red everywhere, but visible in white only
    icon[16:48, 16:48] = 255
    pixels = read(encode(Image.fromarray(icon), "PNG"), ImageLayout(channels=3, size=16))
    assert np.abs(pixels[0].astype(int) - pixels[1]).max() <= 2


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(kind, orientation):
    image = photo(48, 32)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    raw = encode(image, kind, exif=exif, **options)
    upright_image = ImageOps.exif_transpose(Image.open(io.BytesIO(raw)))
    expected = read(np.asarray(upright_image), ImageLayout(channels=3, size=16))
    assert np.abs(read(raw, ImageLayout(channels=3, size=16)).astype(int) - expected.astype(int)).max() <= 2


def test_damaged_metadata_do_not_hide_a_picture():
    raw = encode(photo(32, 32), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as packing does
        assert read(raw, ImageLayout(channels=3, size=16)).shape == (3, 16, 16)


def test_the_centre_is_cut_out():
    wide = np.zeros((32, 96), np.uint8)
    wide[:, 32:64] = 200
    assert (read(wide, ImageLayout(channels=1, size=32)) == 200).all()
    smaller = read(wide.T.copy(), ImageLayout(channels=1, size=16))
    assert np.abs(smaller[:, 1:-1].astype(int) - 200).max() <= 3  # a bicubic filter rings a little


def test_large_images_are_averaged_not_sampled():
    board = np.indices((512, 512)).sum(0) % 2 * 255
    for raw in (board.astype(np.uint8), encode(Image.fromarray(board.astype(np.uint8)), "PNG")):
        assert np.abs(read(raw, ImageLayout(channels=1, size=16)).astype(int) - 127).max() <= 2


def test_the_short_way_of_jpeg_agrees_with_the_long_one():
    image = photo(1600, 1200)
    layout = ImageLayout(channels=3, size=32)
    fast, full = read(encode(image, "JPEG", quality=95), layout), read(np.asarray(image), layout)
    assert np.abs(fast.astype(int) - full.astype(int)).max() <= 4


def test_animations_show_their_first_frame():
    frames = [Image.new("RGB", (16, 16), colour) for colour in ((250, 0, 0), (0, 250, 0))]
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})):
        raw = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert read(raw, ImageLayout(channels=3, size=16))[:, 8, 8].tolist() == [250, 0, 0]


def test_a_stack_of_grey_pages_is_channels():
    pages = [Image.new("L", (20, 24), value) for value in (10, 20, 30, 40, 50)]
    raw = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert survey([raw], None, None) == ImageLayout(channels=5, size=24)
    assert read(raw, ImageLayout(channels=5, size=16))[:, 0, 0].tolist() == [10, 20, 30, 40, 50]
    assert read(raw, ImageLayout(channels=1, size=16))[:, 0, 0].tolist() == [10]
    with pytest.raises(Unreadable, match="1 channels, the others have 7"):
        read(raw, ImageLayout(channels=7, size=16))


def test_pages_of_different_sizes_are_no_stack():
    raw = encode(Image.new("L", (64, 64)), "TIFF", save_all=True, append_images=[Image.new("L", (16, 16))])
    assert survey([raw], None, None).channels == 1


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 2, 3, 4]))))
@settings(max_examples=50, deadline=None)
def test_lossless_files_and_arrays_agree(pixels):
    layout = ImageLayout(channels=pixels.shape[2], size=8)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    if pixels.shape[0] <= 4 < pixels.shape[2] or pixels.shape[2] in (2, 4):
        layout = ImageLayout(channels=3, size=8)
    assert (read(encode(image, "PNG"), layout) == read(pixels, layout)).all()


def test_arrays_of_every_type():
    layout = ImageLayout(channels=1, size=8, white=1000)
    for array, expected in (
        (np.full((8, 8), 51, np.uint8), 51),
        (np.full((8, 8, 1), 200, np.uint16), 51),
        (np.full((8, 8), 200, np.int64), 51),
        (np.full((8, 8), 0.2, np.float64), 51),
        (np.full((8, 8), 0.2, np.float16), 51),
        (np.full((8, 8), True), 255),
        (np.full((8, 8), 200, ">u2"), 51),
        (np.full((8, 8), 2000, np.uint16), 255),
    ):
        assert (read(array, layout) == expected).all(), array.dtype


def test_arrays_with_many_bands_keep_them():
    bands = noise(20, 20, 7)
    assert survey([bands], None, None) == ImageLayout(channels=7, size=24)
    assert (read(bands, ImageLayout(channels=7, size=20)) == bands.transpose(2, 0, 1)).all()
    four = noise(20, 20, 4)  # not colour with alpha: every band stands for itself
    assert (read(four, ImageLayout(channels=4, size=20)) == four.transpose(2, 0, 1)).all()


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.full((8, 8), np.nan, np.float32), "NaN or infinite"),
        (np.full((8, 8), np.inf), "NaN or infinite"),
        (np.full((8, 8), 200.0), "scale them to 0..1"),
        (np.full((8, 8), -0.1), "scale them to 0..1"),
        (np.full((8, 8), -1), "scale them to 0..65535"),
        (np.full((8, 8), 70000), "scale them to 0..65535"),
        (np.zeros(8), r"shape \[8\]"),
        (np.zeros((0, 8)), r"shape \[0, 8\]"),
        (np.zeros((2, 2, 2, 2)), r"expected \[H, W\] or \[H, W, C\]"),
        (np.zeros((3, 32, 32)), "channels come last"),
        (np.zeros((8, 8), np.complex64), "complex64"),
    ],
)
def test_arrays_that_are_refused(array, reason):
    with pytest.raises(Unreadable, match=reason):
        read(array, ImageLayout(channels=1, size=8))


def png_header(width, height):
    """A PNG that claims to be large."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + head
    body = b"IDAT" + zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (chunk, body)
    )


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty file"),
        (b"hello, I am a text", "text, not an image .*hello"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "text, not an image"),
        ("Grüße aus Köln, und noch ein paar Wörter ö".encode(), "text, not an image"),
        (b"\x00\x01\x02\x03binary", "none of the formats JPEG, PNG"),
        (b"P5 this is no picture at all", "damaged"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\xff\xd8\xff\xe0garbage", "damaged|truncated"),
        (png_header(9000, 9000), "81 megapixels, more than the limit of 64"),
        (png_header(2**31 - 1, 2**31 - 1), "megapixels"),
        (encode(Image.new("F", (8, 8), 3.5), "TIFF"), "scale them to 0..1"),
        (encode(Image.new("I", (8, 8), 10**6), "TIFF"), "scale them to 0..65535"),
    ],
)
def test_files_that_are_refused(raw, reason):
    with pytest.raises(Unreadable, match=reason) as caught:
        read(raw, ImageLayout(channels=3, size=16))
    assert len(str(caught.value)) < 150


def test_bombs_are_refused_without_a_warning():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(Unreadable, match="169 megapixels"):
            read(png_header(13000, 13000), ImageLayout(channels=3, size=16))
    assert not caught


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_truncated_files_are_refused(kind, share):
    raw = encode(Image.fromarray(noise(64, 64, 3)), kind)
    with pytest.raises(Unreadable):
        read(raw[: int(len(raw) * share)], ImageLayout(channels=3, size=16))


@given(
    st.sampled_from(FORMATS), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8)
)
@settings(max_examples=150, deadline=None)
def test_flipped_bytes_give_pixels_or_a_reason(kind, flips):
    raw = bytearray(encode(photo(24, 24), kind))
    for place, value in flips:
        raw[place % len(raw)] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pixels = read(bytes(raw), ImageLayout(channels=3, size=16))
        except Unreadable:
            return
    assert pixels.shape == (3, 16, 16)


def test_survey_takes_the_median_short_side():
    raws = [encode(Image.new("RGB", (side + 10, side)), "PNG") for side in (20, 30, 50)]
    assert survey(raws, None, None) == ImageLayout(channels=3, size=32)
    assert survey(raws[:1], None, 1) == ImageLayout(channels=1, size=24)
    assert survey(raws, 48, None).size == 48
    assert survey([encode(Image.new("RGB", (8, 8)), "PNG")], None, None).size == 16
    assert survey([encode(Image.new("RGB", (800, 900)), "PNG")], None, None).size == 96


def test_survey_is_grey_only_where_all_are():
    grey, colour = encode(Image.new("L", (16, 16)), "PNG"), encode(Image.new("RGB", (16, 16)), "PNG")
    assert survey([grey, grey], None, None).channels == 1
    assert survey([grey, colour], None, None).channels == 3


def test_survey_looks_at_64_and_passes_over_the_unreadable():
    def raws():
        yield b""
        for _ in range(64):
            yield np.zeros((16, 16), np.uint8)
        raise AssertionError("a 66th sample was asked for")

    assert survey(raws(), None, None).size == 16


def test_survey_of_nothing_readable_names_the_reasons():
    with pytest.raises(DataError, match=r"empty file.*; text, not an image|text, not an image.*; empty file"):
        survey([b"", b"some text"], None, None)


def test_the_layout_travels():
    layout = ImageLayout(channels=3, size=32, white=4095)
    assert ImageLayout.from_yaml(layout.to_yaml()) == layout
    assert layout.shape == (3, 32, 32)
    assert layout.dtype == "uint8"
