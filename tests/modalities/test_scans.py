"""DICOM files and the TIFFs that Pillow has no mode for."""

import builtins
import io
import warnings

import numpy as np
import pytest
from PIL import Image

from tacit.errors import Unreadable
from tacit.modalities.pictures import ImageLayout, extent, read, survey

pydicom = pytest.importorskip("pydicom")
tifffile = pytest.importorskip("tifffile")


def dicom(stored, **tags):
    """A file with the values `stored`, `[H, W]`, `[frames, H, W]` or `[H, W, 3]`."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    colour = stored.shape[-1] == 3 and stored.ndim == 3
    file.SamplesPerPixel = 3 if colour else 1
    file.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        file.PlanarConfiguration = 0
    frames = stored.ndim == 3 and not colour
    file.Rows, file.Columns = stored.shape[1:] if frames else stored.shape[:2]
    if frames:
        file.NumberOfFrames = len(stored)
    file.BitsAllocated = 8 * stored.itemsize
    file.BitsStored, file.HighBit = file.BitsAllocated, file.BitsAllocated - 1
    file.PixelRepresentation = int(stored.dtype.kind == "i")
    file.PixelData = stored.tobytes()
    for name, value in tags.items():
        setattr(file, name, value)
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def shown(raw, channels=1, size=16):
    return read(raw, ImageLayout(channels=channels, size=size))


RAMP = np.arange(256).reshape(16, 16)


def test_values_go_from_black_to_white_through_slope_intercept_and_window():
    """PS3.3 C.11.2.1.2, with the physical values of a CT: -1000 + 10 x stored, a window of 200 to 800."""
    raw = dicom(RAMP.astype(np.uint16), RescaleSlope=10, RescaleIntercept=-1000, WindowCenter=500, WindowWidth=601)
    physical = 10.0 * RAMP - 1000
    expected = np.rint(255 * np.clip((physical - 199.5) / 600, 0, 1))
    assert np.abs(shown(raw)[0].astype(int) - expected).max() <= 1
    assert shown(raw).min() == 0
    assert shown(raw).max() == 255


def test_the_first_of_several_windows_counts():
    one = dicom(RAMP.astype(np.uint16), WindowCenter=100, WindowWidth=51)
    several = dicom(RAMP.astype(np.uint16), WindowCenter=[100, 40], WindowWidth=[51, 400])
    np.testing.assert_array_equal(shown(several), shown(one))


@pytest.mark.parametrize(("dtype", "low", "step"), [(np.uint8, 0, 1), (np.uint16, 0, 16), (np.int16, -1024, 12)])
def test_without_a_window_the_files_own_range_counts(dtype, low, step):
    raw = dicom((low + step * RAMP).astype(dtype))
    assert np.abs(shown(raw)[0].astype(int) - RAMP).max() <= 1


def test_padding_does_not_count():
    stored = (1000 + RAMP).astype(np.int16)
    stored[0, :8] = -2000
    picture = shown(dicom(stored, PixelPaddingValue=-2000))[0]
    assert (picture[0, :8] == 0).all()
    assert np.abs(picture[1:].astype(int) - RAMP[1:]).max() <= 10


def test_monochrome_1_is_inverted():
    stored = (16 * RAMP).astype(np.uint16)
    inverted = dicom(stored, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(shown(inverted), 255 - shown(dicom(stored)))


def test_constant_files_are_no_division_by_zero():
    assert set(shown(dicom(np.full((16, 16), 700, np.uint16))).ravel()) <= {0, 255}


def test_frames_are_channels_like_the_pages_of_a_tiff():
    frames = np.stack([RAMP, RAMP[::-1], RAMP.T]).astype(np.uint8).repeat(2, 0)[:5]
    raw = dicom(frames)
    assert survey([raw], None, None).channels == 5
    whole = shown(raw, channels=5)
    assert whole.shape == (5, 16, 16)
    assert np.abs(whole.astype(int) - frames).max() <= 1
    np.testing.assert_array_equal(shown(raw, channels=1), whole[:1])
    assert shown(dicom(np.zeros((100, 16, 16), np.uint8)), channels=1).shape == (1, 16, 16)


def test_colour():
    colour = np.stack([RAMP, RAMP.T, RAMP[::-1]], axis=2).astype(np.uint8)
    np.testing.assert_array_equal(shown(dicom(colour), channels=3), colour.transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("CT_small.dcm", 1), ("MR_small_RLE.dcm", 1), ("MR_small_bigendian.dcm", 1), ("JPEG2000.dcm", 1),
        ("rtdose.dcm", 15), ("examples_palette.dcm", 3), ("examples_ybr_color.dcm", 3), ("SC_rgb_jpeg_dcmtk.dcm", 3),
    ],
)  # fmt: skip
def test_files_of_real_machines(name, channels):
    """The examples that travel with pydicom."""
    from pydicom.data import get_testdata_file

    with open(get_testdata_file(name, download=False), "rb") as file:  # noqa: PTH123
        raw = file.read()
    layout = survey([raw], None, None)
    assert layout.channels == channels
    picture = read(raw, layout)
    assert picture.std() > 5, "it shows something"


def refusal(raw, channels=1):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of what it then refuses
        with pytest.raises(Unreadable) as caught:
            shown(raw, channels)
    return str(caught.value)


def test_what_is_no_picture_is_refused():
    from pydicom.data import get_testdata_file

    with open(get_testdata_file("rtplan.dcm", download=False), "rb") as file:  # noqa: PTH123
        assert refusal(file.read()) == "a DICOM file without a picture (RTPLAN)"
    whole = dicom(RAMP.astype(np.uint16))
    assert refusal(whole[:-200])
    assert refusal(whole[:200])
    assert "megapixels" in refusal(dicom(RAMP.astype(np.uint8), Rows=60_000, Columns=60_000))


def test_the_size_is_known():
    assert extent(dicom(np.zeros((20, 30), np.uint16))) == (30, 20, 1)


def test_without_the_extras_their_names_are_said(monkeypatch):
    imported = builtins.__import__

    def without(name, *rest, **more):
        if name.split(".")[0] in ("pydicom", "tifffile"):
            raise ImportError(name)
        return imported(name, *rest, **more)

    scan, bands = dicom(RAMP.astype(np.uint16)), tiff(np.zeros((16, 16, 5), np.uint8), planarconfig="contig")
    monkeypatch.setattr(builtins, "__import__", without)
    assert "pip install 'tacit[dicom]'" in refusal(scan)
    assert "pip install 'tacit[tiff]'" in refusal(bands, 5)


def tiff(values, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, photometric="minisblack", **options)
    return buffer.getvalue()


def test_bands_of_a_tiff():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (16, 16, 6), dtype=np.uint8)
    apart = values.transpose(2, 0, 1)
    for raw in (
        tiff(values, planarconfig="contig"),
        tiff(apart, planarconfig="separate"),
        tiff(apart, planarconfig="separate", compression="zlib"),  # of which Pillow would read the first band
    ):
        assert survey([raw], None, None).channels == 6
        np.testing.assert_array_equal(shown(raw, channels=6), values.transpose(2, 0, 1))


def test_wide_numbers_in_a_tiff():
    values = np.linspace(0, 1, 256).reshape(16, 16)
    np.testing.assert_allclose(shown(tiff(values))[0], 255 * values, atol=0.51)
    assert "scale them to 0..1" in refusal(tiff(1000 * values))


def test_tiffs_that_pillow_reads_stay_with_pillow(monkeypatch):
    buffer = io.BytesIO()
    Image.fromarray(RAMP.astype(np.uint8)).save(buffer, "TIFF")
    monkeypatch.setattr("tacit.modalities.scans._tiff", lambda *_: pytest.fail("Pillow has a mode for it"))
    np.testing.assert_array_equal(shown(buffer.getvalue())[0], RAMP)


def test_damaged_tiffs():
    raw = tiff(np.zeros((16, 16, 5), np.uint8), planarconfig="contig")
    assert refusal(raw[: len(raw) // 2], 5)
    assert refusal(b"II*\0" + bytes(100))
    assert "more than the limit of 64" in refusal(tiff(np.zeros((16, 16, 70), np.uint8), planarconfig="contig"), 3)
