"""Scans: DICOM files, and the TIFFs of microscopes and satellites, as arrays; each by a library that is an extra."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL.TiffImagePlugin import TiffImageFile

from tacit.errors import Unreadable
from tacit.modalities.pixels import MAX_CHANNELS, check_pixels

_SAMPLES = 277
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

Scan = npt.NDArray[Any]


def scan(raw: bytes, channels: int | None) -> Scan | None:
    """A DICOM file, or a TIFF that Pillow has no mode for, as an array `[H, W, C]`; None for all other files.

    Of several grey frames or pages C are read where there are `channels` of them (None: up to 64), else the first one.
    Integers of TIFFs are as they are; what a DICOM file shows is in 0..1, or 8-bit colour.

    Raises:
        Unreadable: the extra is not installed; or whatever pydicom and tifffile raise, unchanged.
    """
    if raw[128:132] == b"DICM":
        return _dicom(raw, channels)
    if raw.startswith(_TIFF) and not _pillow_reads(raw):
        return _tiff(raw, channels)
    return None


def _pillow_reads(raw: bytes) -> bool:
    try:
        with TiffImageFile(io.BytesIO(raw)) as image:
            return len(image.getbands()) > 1 or image.tag_v2.get(_SAMPLES, 1) == 1  # else it takes one band of many
    except Exception:  # an unknown mode is a SyntaxError or an IndexError, and damage may be anything
        return False


def _wanted(frames: int, channels: int | None) -> bool:
    """Whether all frames are channels of one sample."""
    return frames == channels if channels is not None else frames <= MAX_CHANNELS


def _tiff(raw: bytes, channels: int | None) -> Scan:
    try:
        import tifffile
    except ImportError:
        raise Unreadable(
            "damaged, or a TIFF of many bands or wide numbers: reading those needs pip install 'tacit[tiff]'"
        ) from None
    with tifffile.TiffFile(io.BytesIO(raw)) as file:
        series = file.series[0]
        axes, shape = series.axes, series.shape
        if "Y" not in axes or "X" not in axes:
            raise Unreadable(f"a TIFF with the axes {axes}: there is no height and width in it")
        check_pixels(shape[axes.index("X")], shape[axes.index("Y")])
        bands = [at for at, axis in enumerate(axes) if axis not in "YX"]
        count = int(np.prod([shape[at] for at in bands], dtype=np.int64))
        if count > MAX_CHANNELS:
            raise Unreadable(f"{count} bands and pages, more than the limit of {MAX_CHANNELS}")
        values: Scan = series.asarray()
    order = (axes.index("Y"), axes.index("X"), *bands)
    values = values.transpose(order).reshape(*(values.shape[at] for at in order[:2]), count)
    return values if count in (1, 3) or _wanted(count, channels) else values[..., :1]


def _dicom(raw: bytes, channels: int | None) -> Scan:
    try:
        import pydicom
        from pydicom.pixels import pixel_array
    except ImportError:
        raise Unreadable("a DICOM file: reading those needs pip install 'tacit[dicom]'") from None
    header = pydicom.dcmread(io.BytesIO(raw))
    if "PixelData" not in header:
        raise Unreadable(f"a DICOM file without a picture ({header.get('Modality', 'unknown modality')})")
    check_pixels(int(header.Columns), int(header.Rows))
    frames = int(header.get("NumberOfFrames") or 1)
    grey = int(header.SamplesPerPixel) == 1 and header.PhotometricInterpretation != "PALETTE COLOR"
    stack = grey and frames > 1 and _wanted(frames, channels)
    values = pixel_array(header, index=None if stack else 0)  # YCbCr comes as RGB
    if not grey:
        return _colour(values, header)
    shown = _shown(values, header)
    return np.moveaxis(shown, 0, 2) if stack else shown[..., None]


def _colour(values: Scan, header: Any) -> Scan:
    """RGB `[H, W, 3]`, of a palette's indices as well."""
    from pydicom.pixels import apply_color_lut

    if header.PhotometricInterpretation == "PALETTE COLOR":
        looked_up: Scan = apply_color_lut(values, header)[..., :3]
        return looked_up if looked_up.dtype == np.uint8 else (looked_up >> 8).astype(np.uint8)
    bits = int(header.BitsStored)
    return values if bits == 8 else (values / (2**bits - 1)).astype(np.float32)


def _shown(stored: Scan, header: Any) -> Scan:
    """Grey values as a viewer shows them, float32 from 0 (black) to 1 (white).

    Stored values become physical ones by slope and intercept (DICOM PS3.3 C.7.6.16.2.9), those of the first window go
    from black to white (C.11.2.1.2); without a window, the file's own range does. MONOCHROME1 is inverted.
    """
    from pydicom.pixels import apply_modality_lut

    values = apply_modality_lut(stored, header).astype(np.float32)
    centre, width = _first(header.get("WindowCenter")), _first(header.get("WindowWidth"))
    if centre is not None and width is not None and width > 0:
        exact = header.get("VOILUTFunction", "LINEAR") != "LINEAR"  # LINEAR is off by half a value, as scanners count
        low, span = centre - width / 2, width if exact else max(width - 1, 1e-6)
    else:
        real = values[stored != header["PixelPaddingValue"].value] if "PixelPaddingValue" in header else values
        low = float(real.min()) if real.size else 0.0
        span = max(float(real.max()) - low, 1e-6) if real.size else 1.0
    shown: Scan = np.clip((values - np.float32(low)) / np.float32(span), 0, 1)
    return 1 - shown if header.PhotometricInterpretation == "MONOCHROME1" else shown


def _first(value: Any) -> float | None:
    """The first of one or several numbers; None where there is none."""
    if value is None or value == "":
        return None
    return float(value if isinstance(value, int | float | str) else value[0])
