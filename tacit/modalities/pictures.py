"""Images as files and arrays hold them -> uint8 squares of one size and one number of channels.

Pillow decodes, but for plain JPEGs; the list of formats, the limits, the meaning of every mode and the geometry are
fixed here, so that the same file gives the same numbers in training, evaluation and use.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pydantic import Field

from tacit.core import Layout, Raw
from tacit.errors import DataError, Unreadable
from tacit.modalities.jpeg import SIGNATURE, may_be_turned, plain_jpeg
from tacit.modalities.pixels import MAX_CHANNELS, Frame, Pixels, check_pixels, fit, resized, shrink, to_8_bits, upright
from tacit.modalities.scans import scan

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"}
    | {".dcm", ".dicom"}
)
PROBES = 64

# Pillow's own `Image.open` warns about large images; that warning cannot be caught within one thread. Choosing the
# decoder here avoids it, and keeps the list closed whatever else is registered with Pillow.
_FORMATS: tuple[tuple[str, int, tuple[bytes, ...], type[ImageFile]], ...] = (
    ("JPEG", 0, (SIGNATURE,), JpegImageFile),
    ("PNG", 0, (b"\x89PNG\r\n\x1a\n",), PngImageFile),
    ("WEBP", 8, (b"WEBP",), WebPImageFile),
    ("BMP", 0, (b"BM",), BmpImageFile),
    ("GIF", 0, (b"GIF87a", b"GIF89a"), GifImageFile),
    ("TIFF", 0, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), TiffImageFile),
    ("PPM", 0, (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"), PpmImageFile),
)
_GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_PLAIN = {"1": "L", "La": "LA", "P": "RGB", "PA": "RGBA", "RGBa": "RGBA"}
_PLAIN |= dict.fromkeys(("RGBX", "CMYK", "YCbCr", "HSV"), "RGB")


class ImageLayout(Layout):
    """How the images of one set are packed: uint8 `[C, size, size]`."""

    channels: int = Field(ge=1, le=MAX_CHANNELS)
    """C: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA or four bands, more for stacks and arrays of bands."""
    size: int = Field(ge=1, le=1024)
    """Side of the square in pixels."""
    frame: Frame = "crop"
    """Whether the central square is kept, or the whole image, stretched."""
    white: int = Field(default=255, ge=255, le=65535)
    """The value of samples wider than 8 bit that becomes 255; 4095 for 12 bits in 16-bit files."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(C, size, size)`."""
        return (self.channels, self.size, self.size)

    @property
    def dtype(self) -> str:
        """The type of the packed values."""
        return "uint8"


def survey(
    raws: Iterable[Raw], wanted_size: int | None, wanted_channels: int | None, frame: Frame = "crop"
) -> ImageLayout:
    """The layout that fits a set, from its first 64 readable samples; what is wanted is taken as it is.

    Channels: 1 where all are grey, else 3; bands of arrays and pages of TIFF stacks keep their number. Size: the median
    short side, rounded up to a multiple of 8, within 16 and 96. `white`: 255, or the smallest 2**bits - 1 that no
    probed sample of more than 8 bits exceeds.

    Raises:
        DataError: no sample is readable; the reasons are named.
    """
    probes: list[tuple[int, int, int]] = []
    reasons: Counter[str] = Counter()
    for raw in raws:
        try:
            with net():
                probes.append(_probe(raw))
        except Unreadable as error:
            reasons[str(error)] += 1
        if len(probes) == PROBES:
            break
    if not probes:
        named = "; ".join(reason for reason, _ in reasons.most_common(3)) or "there is none"
        raise DataError(f"not one image can be read: {named}. Readable formats: {_format_names()}")
    counts = Counter(channels for channels, _, _ in probes)
    mixed = len(counts) > 1 and max(counts) <= 4
    channels = 3 if mixed else counts.most_common(1)[0][0]
    short = float(np.median([side for _, side, _ in probes]))
    size = min(96, max(16, 8 * int(np.ceil(short / 8))))
    bits = max(peak for _, _, peak in probes).bit_length()
    white = 2 ** min(16, max(8, bits)) - 1
    return ImageLayout(channels=wanted_channels or channels, size=wanted_size or size, frame=frame, white=white)


def read(raw: Raw, layout: ImageLayout) -> Pixels:
    """The sample as uint8 `[C, size, size]`: what the frame keeps, antialiased down or bicubically up to `size`.

    Of an animation the first frame is read; a TIFF whose C grey pages are alike is read as C channels. EXIF orientation
    is applied. Transparent pixels lie on mid-grey unless the layout has an alpha channel (C of 2 or 4). Arrays are
    `[H, W]` or `[H, W, C]`: integers (more than 8 bits are scaled by `white`) or floats within 0 and 1.

    Raises:
        Unreadable: with the reason, for whatever is wrong with the sample; nothing else is raised.
    """
    with net():
        raw = opened(raw, layout.channels)
        pixels = _read_array(raw, layout) if isinstance(raw, np.ndarray) else _read_file(raw, layout)
        return np.ascontiguousarray(fit(pixels, layout.channels).transpose(2, 0, 1))


def extent(raw: Raw) -> tuple[int, int, int]:
    """Width and height in pixels of the upright image, and the EXIF orientation of the file, 1 where there is none.

    Nothing is decoded. Raises `Unreadable`.
    """
    with net():
        raw = opened(raw, None)
        if isinstance(raw, np.ndarray):
            height, width = _check_array(raw).shape[:2]
            return width, height, 1
        image = undecoded(raw)
        turn = _orientation(image)
        lies = turn in (5, 6, 7, 8) and not isinstance(image, TiffImageFile)  # Pillow gives TIFFs' sizes upright
        return (*(image.size[::-1] if lies else image.size), turn)


@contextmanager
def net() -> Iterator[None]:
    """Below the decoders: what they raise on damaged files is not a closed list."""
    try:
        yield
    except Unreadable:
        raise
    except Exception as error:  # MemoryError is among them
        text = " ".join(str(error).split())[:120] or type(error).__name__
        raise Unreadable("truncated file" if "truncated" in text.lower() else f"damaged file: {text}") from None


def opened(raw: Raw, channels: int | None) -> Raw:
    """The raw sample; scans as arrays (see `scan`), all else as it is."""
    array = scan(raw, channels) if isinstance(raw, bytes) else None
    return raw if array is None else array


def _probe(raw: Raw) -> tuple[int, int, int]:
    """(channels, short side, largest value where samples are wider than 8 bit and integer, else 0)."""
    raw = opened(raw, None)
    if isinstance(raw, np.ndarray):
        array = _check_array(raw)
        wide = array.dtype.kind in "iu" and array.dtype != np.uint8
        return array.shape[2], min(array.shape[:2]), int(array.max()) if wide else 0
    image = undecoded(raw)
    short = min(image.size)
    if image.mode not in _GREY_MODES:
        return 3, short, 0
    wide = image.mode.startswith("I")
    peak = int(np.asarray(image).max()) if wide else 0
    return pages(image), short, max(0, peak)


def undecoded(raw: bytes) -> ImageFile:
    """The undecoded image in a file's bytes, known by its signature and not by its name."""
    if not raw:
        raise Unreadable("empty file (0 bytes)")
    for _, offset, signatures, decoder in _FORMATS:
        if raw.startswith(signatures, offset):
            image = decoder(io.BytesIO(raw))
            check_pixels(*image.size)
            return image
    start = raw[:40].decode("utf-8", "replace")
    if all(character.isprintable() or character.isspace() for character in start.rstrip("�")):
        raise Unreadable(f"text, not an image (it begins with {' '.join(start.split())[:20]!r})")
    raise Unreadable(f"none of the formats {_format_names()}")


def _format_names() -> str:
    return ", ".join([*(name for name, *_ in _FORMATS), "DICOM"])


def pages(image: ImageFile) -> int:
    """How many pages a stack of equal grey TIFF pages has; 1 for everything else."""
    if not isinstance(image, TiffImageFile) or image.mode not in _GREY_MODES:
        return 1
    kind, count = (image.size, image.mode), 1
    try:
        while count <= MAX_CHANNELS:
            image.seek(count)
            if (image.size, image.mode) != kind:
                count = 1
                break
            count += 1
    except EOFError:
        pass
    image.seek(0)
    return count if count <= MAX_CHANNELS else 1


def _read_file(raw: bytes, layout: ImageLayout) -> Pixels:
    plain = plain_jpeg(raw, 2 * layout.size)
    if plain is not None:
        pixels = resized(plain, layout.size, layout.frame)
        return upright(pixels, _orientation(undecoded(raw))) if may_be_turned(raw) else pixels
    image = undecoded(raw)
    if isinstance(image, JpegImageFile) and min(image.size) >= 4 * layout.size:
        image.draft(None, (2 * layout.size, 2 * layout.size))  # at 1/2, 1/4 or 1/8, never below twice the wanted size
    if layout.channels > 1 and pages(image) == layout.channels:
        pixels = np.concatenate([_page(image, number, layout) for number in range(layout.channels)], axis=2)
    else:
        pixels = _page(image, 0, layout)
    return upright(pixels, _orientation(image))  # the square is smaller, the result the same


def _page(image: ImageFile, number: int, layout: ImageLayout) -> Pixels:
    image.seek(number)
    return shrink(_plain(image, layout.white), layout.size, layout.frame)


def _orientation(image: ImageFile) -> int:
    """EXIF orientation, 1 to 8. To be asked after decoding: Pillow turns TIFFs itself and then forgets the value."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # damaged metadata do not make the picture unreadable
        return 1


def _plain(image: Image.Image, white: int) -> Image.Image:
    """The image in one of the modes L, LA, RGB, RGBA, or in F with values from 0 to 255."""
    mode = image.mode
    if mode == "F" or mode.startswith("I"):
        return Image.fromarray(to_8_bits(np.asarray(image), white))
    if mode == "LAB":
        return _lab_to_rgb(image)
    target = _PLAIN.get(mode, mode)
    if image.has_transparency_data and target in ("L", "RGB"):  # a transparent colour or palette entry
        target = "LA" if target == "L" else "RGBA"
    if target not in ("L", "LA", "RGB", "RGBA"):
        raise Unreadable(f"colour mode {mode} is not supported")
    return image if target == mode else image.convert(target)


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(*profiles, "LAB", "RGB").apply(image)


def _check_array(raw: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array as `[H, W, C]`."""
    if raw.ndim not in (2, 3) or raw.size == 0:
        raise Unreadable(f"an array of shape {list(raw.shape)}; expected [H, W] or [H, W, C]")
    array = raw if raw.ndim == 3 else raw[..., None]
    height, width, channels = array.shape
    if height <= 4 < channels:
        raise Unreadable(f"an array of shape {list(raw.shape)}; channels come last: [H, W, C]")
    if channels > MAX_CHANNELS:
        raise Unreadable(f"{channels} channels, more than the limit of {MAX_CHANNELS}")
    check_pixels(width, height)
    return array


def _read_array(raw: npt.NDArray[Any], layout: ImageLayout) -> Pixels:
    array = _check_array(raw)
    channels = array.shape[2]
    if array.dtype == np.uint8 and channels in (1, 3):
        return resized(array, layout.size, layout.frame)
    # two or four bands are grey or colour with alpha only where the set wants them turned into something else
    if array.dtype == np.uint8 and channels in (2, 4) and channels != layout.channels:
        return shrink(Image.fromarray(np.ascontiguousarray(array)), layout.size, layout.frame)
    values = to_8_bits(array, layout.white)
    planes = [Image.fromarray(np.ascontiguousarray(values[..., band])) for band in range(channels)]
    return np.concatenate([shrink(plane, layout.size, layout.frame) for plane in planes], axis=2)
