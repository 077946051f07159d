"""JPEGs by libjpeg-turbo alone: the same pixels as Pillow's, in a sixth of the time where pictures are small."""

from __future__ import annotations

import simplejpeg

from tacit.modalities.pixels import Pixels, check_pixels

SIGNATURE = b"\xff\xd8\xff"
_FORMATS = {"YCbCr": "RGB", "RGB": "RGB", "Gray": "GRAY"}


def plain_jpeg(raw: bytes, least: int) -> Pixels | None:
    """The pixels `[H, W, 1 or 3]` of a JPEG in grey or in colour, as they lie in the file.

    Where `H` and `W` stay `least` or more, they are those at a half or at 3, 2 or 1 eighths of its side, as the cosine
    transform gives them. None for all that Pillow has to judge: other formats, inks (CMYK), and whatever is damaged.

    Raises `Unreadable` for a picture that is too large.
    """
    if not raw.startswith(SIGNATURE):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(raw)
    except Exception:  # no closed list, nor the last word: Pillow says what is wrong
        return None
    check_pixels(width, height)
    if colours not in _FORMATS:
        return None
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(
            raw,
            _FORMATS[colours],
            min_height=least,
            min_width=least,
            min_factor=2,  # larger fractions take as long as the whole
        )
    except Exception:
        return None
    return pixels


def may_be_turned(raw: bytes) -> bool:
    """Whether a JPEG can say how it is to be turned: in EXIF, or as text in XMP."""
    return b"Exif\0" in raw or b"Orientation" in raw
