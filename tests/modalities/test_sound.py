import contextlib
import struct

import numpy as np
import pytest
from sounds import encoded, tone

from tacit.errors import Unreadable
from tacit.modalities.sound import wave


@pytest.mark.parametrize(
    ("kind", "subtype", "within"),
    [
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "PCM_U8", 1e-2),
        ("WAV", "FLOAT", 1e-7),
        ("WAV", "DOUBLE", 1e-7),
        ("FLAC", "PCM_24", 1e-6),
        ("AIFF", "PCM_16", 1e-4),
        ("OGG", "VORBIS", 0.1),
        ("MP3", "MPEG_LAYER_III", 0.1),
    ],
)
def test_every_format_gives_the_wave_that_was_written(kind, subtype, within):
    x = tone(seconds=0.5)
    found = wave(encoded(x, kind=kind, subtype=subtype), 8_000, 10)
    assert found.dtype == np.float32
    assert abs(len(found) - len(x)) <= (2_500 if kind == "MP3" else 0)  # an encoder of MP3 pads
    middle = slice(1_000, 3_000)
    if kind == "MP3":
        assert np.std(found[middle]) == pytest.approx(np.std(x[middle]), rel=0.1)
    else:
        assert np.abs(found[middle] - x[middle]).max() < within


def test_channels_are_averaged():
    both = np.stack([tone(300), tone(900)], axis=1)
    assert np.allclose(wave(encoded(both, subtype="FLOAT"), 8_000, 10), both.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("rate", [4_000, 11_025, 16_000, 44_100])
def test_a_tone_keeps_its_pitch_and_length_at_another_rate(rate):
    found = wave(encoded(tone(500, 1.0), 8_000), rate, 10)
    assert len(found) == pytest.approx(rate, abs=2)
    spectrum = np.abs(np.fft.rfft(found))
    assert spectrum.argmax() / (len(found) / rate) == pytest.approx(500, abs=2)


def test_no_more_is_decoded_than_is_kept():
    assert len(wave(encoded(tone(seconds=5.0)), 8_000, 0.5)) == 4_001


def test_a_small_file_that_unpacks_to_much_costs_no_memory():
    """An hour of silence in a few kilobytes of FLAC, of which half a second is read."""
    import resource

    raw = encoded(np.zeros(3_600_000, np.int16), 1_000, "FLAC")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert len(wave(raw, 1_000, 0.5)) == 501
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8_000


def test_a_file_cut_off_is_read_as_far_as_it_goes():
    for kind in ("WAV", "MP3"):
        raw = encoded(tone(seconds=3.0), kind=kind)
        found = wave(raw[: len(raw) // 2], 8_000, 10)
        assert 4_000 < len(found) < 20_000, kind


def nan():
    x = tone()
    x[100] = np.nan
    return encoded(x, subtype="FLOAT")


def many_channels():
    return encoded(np.zeros((100, 80), np.float32), subtype="FLOAT")


def slow():
    raw = bytearray(encoded(tone()))
    raw[24:28] = struct.pack("<I", 3)
    return bytes(raw)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "an empty file"),
        (b"RIFF", "no recording that can be read"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "no recording that can be read"),
        (b"just some text, called .wav by mistake" * 9, "no recording that can be read"),
        (encoded(np.zeros(0, np.float32)), "no samples"),
        (nan(), "NaN or infinity"),
        (many_channels(), "80 channels"),
        (slow(), "3 samples a second"),
        (encoded(tone(), kind="AU"), "AU file, which is not read"),
        (encoded(tone(seconds=2), kind="FLAC")[:60], "no recording|no samples"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_says_why(raw, reason):
    with pytest.raises(Unreadable, match=reason) as caught:
        wave(raw, 8_000, 10)
    assert "0x" not in str(caught.value)
    assert "BytesIO" not in str(caught.value)


def test_a_wrong_suffix_does_not_matter(tmp_path):
    path = tmp_path / "tone.mp3"
    path.write_bytes(encoded(tone(), kind="FLAC"))
    assert len(wave(path.read_bytes(), 8_000, 10)) == 4_000


def test_a_single_sample_is_a_recording():
    raw = encoded(np.array([0.5], np.float32), subtype="FLOAT")
    assert wave(raw, 8_000, 10).tolist() == [0.5]
    assert len(wave(raw, 16_000, 10)) >= 1


def test_bytes_at_random_are_never_more_than_unreadable():
    whole = bytearray(encoded(tone(seconds=0.2), kind="FLAC"))
    generator = np.random.default_rng(0)
    for _ in range(50):
        damaged = bytearray(whole)
        for place in generator.integers(0, len(whole), 8):
            damaged[place] = generator.integers(256)
        with contextlib.suppress(Unreadable):
            assert np.isfinite(wave(bytes(damaged), 8_000, 10)).all()
