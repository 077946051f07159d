import numpy as np
import torch
from curves import wave

from tacit.modalities.curves import advice, facts, picture
from tacit.modalities.series import SERIES


def looked(raws, **wishes):
    layout = SERIES.survey(raws, SERIES.config(**wishes))
    view = SERIES.collate(torch.from_numpy(np.stack([SERIES.read(raw, layout) for raw in raws])), layout)
    known = [facts(raw) for raw in raws]
    return advice({name: [each[name] for each in known] for name in known[0]}, layout, view), view


def test_facts_are_counted():
    x = wave(length=10, channels=2)
    x[:, 1] = 7
    x[3, 0] = np.nan
    known = facts(x)
    assert (known["channels"], known["steps"], known["missing, %"], known["constant"]) == ("2", 10, 5, 1)
    assert np.isclose(known["level"], (np.nanmean(x[:, 0]) + 7) / 2, atol=1e-5)
    assert np.isclose(known["spread"], np.nanstd(x[:, 0]) / 2, atol=1e-5)
    empty = np.array([[1.0, np.nan], [2.0, np.nan]])
    assert facts(empty)["constant"] == 1, "a channel without a value does not move"


def test_good_series_need_no_advice():
    assert looked([wave(number % 2, number) for number in range(6)])[0] == []


def test_every_oddity_has_a_sentence():
    raws = [wave(number % 2, number, channels=3) + 1_000 * number for number in range(6)]
    for x in raws:
        x[:, 1] = 5
    raws[0][3] = np.nan
    raws[1] = raws[1][:4]
    said = " ".join(looked(raws, steps=30)[0])
    parts = (
        "longer than the 30 steps",
        "fewer than 8 steps",
        "1 series lack values",
        "differ in level",
        "never change, in any series: 2",
    )
    for part in parts:
        assert part in said, part


def test_lines_are_drawn_and_gaps_are_grey():
    x = wave(length=100)
    x[40:60] = np.nan
    _, view = looked([x, np.full((50, 1), 3.0)])
    pictures = picture(view)
    assert pictures.shape == (2, 64, 128, 3)
    assert pictures.dtype == np.uint8
    grey = (pictures[0] == 228).all(axis=2).any(axis=0)
    assert 20 <= grey.sum() <= 30
    ink = (pictures[0] < 200).any(axis=2).any(axis=0)
    assert ink.all()
    assert (pictures[1] < 200).any(axis=2).sum() < 3 * 128, "a constant is one thin line"
