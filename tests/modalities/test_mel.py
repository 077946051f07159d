import librosa
import numpy as np
import scipy.fft
import torch
from sounds import tone

from tacit.modalities.mel import QUIET, cepstra, deltas, fft_size, filters, log_mel

FRONT = {"rate": 8_000, "hop": 80, "window": 200, "bands": 40, "low": 60.0, "high": 3_880.0}


def test_spectra_are_those_of_plain_frames_and_librosas_triangles():
    x = tone(700, 0.6, seed=0)
    size, window = fft_size(200), np.hanning(201)[:-1]
    assert size == 512
    padded = np.pad(x, (size // 2, size // 2))
    hann = np.pad(window / window.sum(), ((size - 200) // 2, (size - 200) // 2))
    frames = [padded[at : at + size] * hann for at in range(0, len(x) + 1, 80)]
    power = np.abs(np.fft.rfft(frames)) ** 2
    band = {"fmin": 60, "fmax": 3_880, "htk": True}
    # of equal area, brought to equal height here: asked for those, librosa compiles all of itself for 20 seconds
    triangles = librosa.filters.mel(sr=8_000, n_fft=size, n_mels=40, norm="slaney", dtype=np.float64, **band)
    edges = librosa.mel_frequencies(42, **band)
    triangles *= (edges[2:] - edges[:-2])[:, None] / 2
    found = log_mel(torch.from_numpy(x), **FRONT).numpy()
    assert found.shape == (1 + len(x) // 80, 40)
    assert np.abs(found - np.log(power @ triangles.T + QUIET)).max() < 2e-2


def test_cepstra_are_scipys():
    x = torch.randn(3, 7, 40)
    assert np.allclose(cepstra(x, 13), scipy.fft.dct(x.numpy(), type=2, norm="ortho")[..., :13], atol=1e-5)


def test_deltas_are_librosas():
    x = torch.randn(1, 30, 5)
    found = deltas(x, torch.ones(1, 30, dtype=torch.bool))
    expected = librosa.feature.delta(x[0].numpy(), width=5, axis=0, mode="nearest")
    assert np.allclose(found[0], expected, atol=1e-5)


def test_deltas_do_not_see_padding():
    x = torch.randn(1, 9, 4)
    padded = torch.cat([x, torch.full((1, 5, 4), 1e6)], dim=1)
    valid = torch.arange(14)[None] < 9
    assert torch.allclose(deltas(padded, valid)[:, :9], deltas(x, valid[:, :9]))


def test_a_straight_line_has_its_slope_as_delta():
    line = (3.0 * torch.arange(20.0))[None, :, None]
    assert torch.allclose(deltas(line, torch.ones(1, 20, dtype=torch.bool))[0, 2:-2], torch.tensor(3.0))


def test_the_band_of_a_tone_is_the_loudest():
    edges = 700 * (np.exp(np.linspace(*(1127 * np.log1p(np.array([60, 3880]) / 700)), 42) / 1127) - 1)
    for band in (5, 20, 35):
        x = torch.from_numpy(tone(edges[band + 1], 0.5))
        assert int(log_mel(x, **FRONT)[20].argmax()) == band


def test_silence_is_quiet_and_finite():
    found = log_mel(torch.zeros(800), **FRONT)
    assert torch.allclose(found, torch.tensor(QUIET).log())


def test_one_sample_is_one_frame():
    assert log_mel(torch.ones(1), **FRONT).shape == (1, 40)


def test_every_band_hears_something():
    for rate, bands in ((8_000, 64), (16_000, 64), (16_000, 80), (44_100, 64)):
        triangles = filters(rate, fft_size(round(rate * 0.025)), bands, 60.0, 0.97 * rate / 2)
        assert (triangles.sum(dim=0) > 0).all(), (rate, bands)
