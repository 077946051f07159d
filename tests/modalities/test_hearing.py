import numpy as np
import pytest
import torch
from sounds import encoded, tone

from tacit.core import View
from tacit.modalities.audio import AUDIO
from tacit.modalities.hearing import advice, facts, picture
from tacit.modalities.packing import AudioLayout

LAYOUT = AudioLayout(rate=8_000, hop=80, window=200, bands=64, length=48)


def test_facts_of_a_recording():
    known = facts(encoded(np.stack([tone(level=0.5)] * 2, axis=1)))
    assert (known["format"], known["rate, Hz"], known["channels"]) == ("WAV, PCM_16", "8000", "2")
    assert known["seconds"] == pytest.approx(0.5)
    assert known["level, dB"] == pytest.approx(10 * np.log10(0.125), abs=0.1)
    assert known["peak, dB"] == pytest.approx(20 * np.log10(0.5), abs=0.1)


def test_facts_of_arrays_and_of_features():
    assert facts(tone())["format"] == "array, float32"
    assert facts(np.zeros((7, 13)))["numbers"] == "13"


def said(**changes):
    known = {
        "seconds": [0.5] * 100,
        "level, dB": [-20.0] * 100,
        "peak, dB": [-6.0] * 100,
        "rate, Hz": ["8000"] * 100,
    }
    known |= {name: [value] * count + known[name][count:] for name, (value, count) in changes.items()}
    return " ".join(advice(known, LAYOUT, View(torch.zeros(1, 1, 64))))


def test_nothing_is_said_of_what_is_as_it_should_be():
    assert said() == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seconds": (60.0, 5)}, "longer than the 0.5 s"),
        ({"seconds": (0.02, 5)}, "shorter than"),
        ({"level, dB": (-120.0, 1)}, "1 of 100 recordings are silent"),
        ({"peak, dB": (0.0, 9)}, "clipped"),
        ({"rate, Hz": ("4000", 9)}, "fewer samples a second"),
        ({"rate, Hz": ("44100", 90)}, "modality.rate=44100"),
    ],
)
def test_advice(changes, words):
    assert words in said(**changes)


def test_of_waves_no_rate_is_advised_that_cannot_be_cut():
    layout = LAYOUT.model_copy(update={"front": "wave"})
    known = {
        "seconds": [0.3] * 9,
        "level, dB": [-20.0] * 9,
        "peak, dB": [-6.0] * 9,
        "rate, Hz": ["4000"] + ["44100"] * 8,
    }
    (said,) = advice(known, layout, View(torch.zeros(1, 1, 160)))
    assert "11% of the recordings have fewer samples a second than the 8,000" in said
    assert "modality.rate" not in said


def test_a_picture_of_a_wave_is_the_space_it_takes_up():
    x = torch.sin(torch.arange(40 * 160) / 3).view(1, 40, 160).repeat(3, 1, 1)
    x[1] *= torch.linspace(0, 1, 40)[:, None]
    x[2] = 0
    valid = torch.arange(40) < torch.tensor([[20], [40], [40]])
    drawn = picture(View(x, valid, rate=8_000))
    assert drawn.shape == (3, 64, 80, 3)
    dark = drawn[..., 1] == 25
    assert (drawn[0, :, 40:] == 251).all()
    assert dark[0, :, :40].all()
    assert not dark[0, :, 40:].any()
    height = dark[1].sum(axis=0)
    assert (np.diff(height) >= 0).all()
    assert (height[0], height[-1]) == (2, 64)
    assert dark[2].sum(axis=0).tolist() == [2] * 80


def test_a_picture_has_low_bands_below_and_paper_behind_the_end():
    x = torch.full((2, 40, 64), -9.0)
    x[:, :, 5] = 0
    valid = torch.arange(40) < torch.tensor([[40], [20]])
    drawn = picture(View(x, valid))
    assert drawn.dtype == np.uint8
    assert drawn.shape == (2, 64, 40, 3)
    assert drawn[0].sum(axis=2).argmax(axis=0).tolist() == [58] * 40
    assert (drawn[1, :, 20:] == 251).all()
    assert AUDIO.picture is picture
