import io
import struct

import numpy as np
import pytest
import torch
from sounds import encoded, folder_of_tones, tone

import tacit
from tacit.data.dataset import open_dataset
from tacit.data.kind import kind_of
from tacit.errors import DataError, Unreadable
from tacit.modalities import MODALITIES
from tacit.modalities.audio import AUDIO
from tacit.modalities.mel import QUIET, cepstra, deltas
from tacit.modalities.packing import AudioLayout, read


def layout_of(raws, **wishes):
    return AUDIO.survey(raws, AUDIO.config(**wishes))


def views(raws, **wishes):
    layout = layout_of(raws, **wishes)
    return AUDIO.collate(torch.from_numpy(np.stack([AUDIO.read(raw, layout) for raw in raws])), layout)


def sphinx(frames, order=">"):
    return struct.pack(f"{order}i", frames.size) + frames.astype(f"{order}f4").tobytes()


def htk(frames):
    return struct.pack(">iihh", len(frames), 100_000, 4 * frames.shape[1], 9) + frames.astype(">f4").tobytes()


def npy(frames):
    buffer = io.BytesIO()
    np.save(buffer, frames)
    return buffer.getvalue()


def test_the_layout_is_the_commonest_rate_and_the_length_that_nearly_all_have():
    raws = [encoded(tone(seconds=0.4)), encoded(tone(seconds=0.4)), encoded(tone(seconds=0.3, rate=4_000), 4_000)]
    layout = layout_of(raws)
    assert (layout.rate, layout.hop, layout.window, layout.bands) == (8_000, 80, 200, 64)
    assert layout.length == 48  # 41 frames, to a multiple of 8
    assert layout_of([encoded(tone(seconds=0.1, rate=44_100), 44_100)]).rate == 16_000
    assert layout_of([encoded(tone(seconds=30.0))]).seconds == pytest.approx(10, abs=0.1)
    assert layout_of([encoded(tone(seconds=30.0))], seconds=20).seconds == pytest.approx(20, abs=0.1)


def test_a_recording_is_its_frames_and_nan_behind_them():
    raws = [encoded(tone(seconds=0.4)), encoded(tone(seconds=0.1))]
    packed = read(raws[1], layout_of(raws))
    assert packed.dtype == np.float16
    assert np.isfinite(packed[:11]).all()
    assert np.isnan(packed[11:]).all()
    view = views(raws)
    assert view.valid.sum(dim=1).tolist() == [41, 11]
    assert view.x.shape == (2, 41, 64)
    assert view.x.isfinite().all()
    assert view.where[1].tolist() == list(range(41))


def test_silence_and_full_scale_are_read_as_they_are():
    view = views([encoded(np.zeros(4_000, np.float32)), encoded(np.sign(tone()), subtype="FLOAT")])
    assert view.x[0].numpy() == pytest.approx(np.log(QUIET), abs=0.01)
    assert view.x.isfinite().all()


def test_an_array_of_samples_is_a_recording_at_the_rate_that_is_said():
    x = tone()
    layout = layout_of([x], rate=8_000)
    assert np.array_equal(read(x, layout), read(encoded(x, subtype="FLOAT"), layout), equal_nan=True)
    whole = (x * 32_767).astype(np.int16)
    assert np.allclose(read(whole, layout)[:40, 5:8], read(x, layout)[:40, 5:8], atol=0.1)
    with pytest.raises(DataError, match=r"modality\.rate"):
        layout_of([x])


@pytest.mark.parametrize("raw", [np.zeros((3, 4, 5)), np.array([np.nan]), np.zeros(0), np.array([1j])])
def test_other_arrays_are_refused(raw):
    with pytest.raises(Unreadable):
        read(raw, AudioLayout(rate=8_000, hop=80, window=200, bands=64, length=8))


@pytest.mark.parametrize(
    "write",
    [sphinx, lambda frames: sphinx(frames, "<"), htk, npy, np.asarray],
    ids=["sphinx", "swapped", "htk", "npy", "array"],
)
def test_features_are_read_as_they_are(write):
    frames = np.random.default_rng(0).standard_normal((21, 13)).astype(np.float32)
    layout = layout_of([write(frames)], front="features")
    assert (layout.front, layout.bands, layout.length) == ("features", 13, 24)
    packed = read(write(frames), layout)
    assert np.allclose(packed[:21], frames, atol=2e-3)
    assert np.isnan(packed[21:]).all()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty file"),
        (b"\x00\x00\x00\x0d" + bytes(20), "fits the length"),
        (sphinx(np.zeros((5, 4))), "no frames of 13"),
        (npy(np.zeros(7)), "frames x bands"),
        (npy(np.full((3, 13), np.nan)), "NaN"),
        (npy(np.full((3, 13), 1e9)), "65,504"),
        (npy(np.zeros((3, 9))), "9 numbers"),
        (npy(np.zeros((3, 13)))[:-5], "no array"),
    ],
)
def test_features_that_cannot_be_read_say_why(raw, reason):
    with pytest.raises(Unreadable, match=reason):
        read(raw, AudioLayout(front="features", bands=13, length=8))


def test_the_raw_features_describe_four_parts_of_a_recording():
    """Against a loop over the parts."""
    view = views([encoded(tone(300, 0.4, seed=1)), encoded(tone(900, 0.2, seed=2))])
    found = AUDIO.floors["MFCC"](view)
    assert found.shape == (2, 208)
    for row in range(2):
        count = int(view.valid[row].sum())
        x = cepstra(view.x[row : row + 1, :count], 13)
        described = torch.cat([x, deltas(x, torch.ones(1, count, dtype=torch.bool))], dim=2)[0]
        part = torch.arange(count) * 4 // count
        naive = torch.cat([f(described[part == n], dim=0) for n in range(4) for f in (torch.mean, deviation)])
        assert torch.allclose(found[row], naive, atol=1e-3)


def deviation(x, dim):
    return x.std(dim=dim, correction=0)


@pytest.mark.parametrize(
    ("own", "wished", "rate"), [(8_000, None, 8_000), (44_100, None, 16_000), (8_000, 32_000, 32_000)]
)
def test_waves_are_cut_into_frames_of_20_ms(own, wished, rate):
    raws = [encoded(tone(seconds=0.41, rate=own), own)]
    layout = layout_of(raws, front="wave", rate=wished)
    assert (layout.rate, layout.hop, layout.bands, layout.window) == (rate, rate // 50, rate // 50, 0)
    assert layout.length == 24  # 20.5 frames, to a multiple of 8
    assert layout.seconds == pytest.approx(0.48)
    assert layout.brief() == {
        "front": "wave",
        "samples in a frame": rate // 50,
        "frames": 24,
        "seconds": 0.48,
        "samples a second": rate,
    }


def test_a_wave_is_its_samples_and_silence_to_the_end_of_its_last_frame():
    x = tone(seconds=0.41, level=0.9)
    view = views([encoded(x), encoded(x[:1_000])], front="wave")
    assert view.rate == 8_000
    assert view.x.shape == (2, 21, 160)
    assert view.valid.sum(1).tolist() == [21, 7]
    heard = view.x[0].flatten().numpy()
    assert np.allclose(heard[: len(x)], x, atol=3e-4)  # 16 bits in the file, 11 of a number in the cache
    assert not heard[len(x) :].any()
    faint = np.round(tone(level=0.01) * 32_768).astype(np.int16)
    assert np.array_equal(views([faint], front="wave", rate=8_000).x.flatten().numpy() * 32_768, faint)


def test_waves_have_no_bands():
    with pytest.raises(DataError, match=r"leave modality\.bands out"):
        layout_of([encoded(tone())], front="wave", bands=80)


def test_the_raw_features_of_waves_are_those_of_their_spectra():
    raws = [encoded(tone(300, 0.4, seed=1)), encoded(tone(900, 0.2, seed=2))]
    waves, spectra = (AUDIO.floors["MFCC"](views(raws, front=front)) for front in ("wave", "log-mel"))
    assert waves.shape == (2, 208)
    assert torch.allclose(waves, spectra, atol=0.05)  # both are whole frames long


def test_kinds_of_view_are_offered():
    assert {"plain", "weak", "strong", "global", "local", "next"} <= AUDIO.offers


def test_audio_is_told_by_its_files(tmp_path):
    folder_of_tones(tmp_path / "tones", each=2)
    assert kind_of(str(tmp_path / "tones"), MODALITIES) == "audio"
    listing = tmp_path / "list.csv"
    listing.write_text("label,path\nhigh,tones/high/0.wav\n")
    assert kind_of(str(listing), MODALITIES) == "audio"
    (tmp_path / "bare.csv").write_text("tones/high/0.wav\n")
    assert kind_of(str(tmp_path / "bare.csv"), MODALITIES) == "audio"
    np.save(tmp_path / "x.npy", np.zeros((4, 8, 8, 3), np.uint8))
    assert kind_of(str(tmp_path / "x.npy"), MODALITIES) is None


def test_the_whole_way(tmp_path):
    """Train, judge, embed a folder and arrays, draw."""
    data = folder_of_tones(tmp_path / "tones", each=12)
    run = str(tmp_path / "run")
    encoder = tacit.train(str(data), run, settings={"budget": {"steps": 2}, "encoder": {"width": 8}})
    vectors = encoder.embed(str(data))
    assert vectors.shape == (24, 16)
    first = encoder.embed([data / "high" / "0.wav"])
    assert np.allclose(first[0], vectors[0], atol=1e-3)
    samples = tone(1_200, 0.3, seed=0)
    assert np.allclose(encoder.embed([samples])[0], first[0], atol=5e-2)
    view = encoder.open(str(data)).everything().view(torch.arange(3))
    assert AUDIO.picture(view).shape[0] == 3


def test_spoken_digits_have_speakers_for_groups(real_data):
    dataset = open_dataset("fsdd", AUDIO, AUDIO.config())
    assert len(dataset) == 3_000
    assert dataset.classes == tuple(map(str, range(10)))
    parts = [set(dataset.part(name).groups.tolist()) for name in ("train", "test")]
    assert len(parts[0] | parts[1]) == 6
    assert not parts[0] & parts[1]


def test_features_of_an4_are_read(real_data):
    path = next((real_data / "audio" / "an4_mfc").rglob("*.mfc"), None)
    if path is None:
        pytest.skip("AN4 is not at hand")
    raw = path.read_bytes()
    layout = layout_of([raw], front="features")
    assert layout.bands == 13
    assert 4 + 4 * 13 * int(np.isfinite(read(raw, layout)[:, 0]).sum()) <= len(raw) + 4 * 13
