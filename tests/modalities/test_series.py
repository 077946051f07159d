"""The page of series: packing, floors, neighbours, and the whole way."""

import numpy as np
import pytest
import torch
from curves import folder_of_waves, wave

import tacit
from tacit.core import View
from tacit.data.dataset import open_dataset
from tacit.data.kind import kind_of
from tacit.errors import DataError, Unreadable
from tacit.modalities import MODALITIES, neighbours
from tacit.modalities.described import of_one_length, raw_values, spectrum, statistics
from tacit.modalities.series import SERIES
from tacit.modalities.stretches import SeriesLayout, collate, read


def views(raws, **wishes):
    layout = SERIES.survey(raws, SERIES.config(**wishes))
    return SERIES.collate(torch.from_numpy(np.stack([SERIES.read(raw, layout) for raw in raws])), layout)


def holed(length=20, channels=2):
    x = wave(length=length, channels=channels)
    x[4:7, 0], x[10] = np.nan, np.nan
    return x


def test_the_layout_is_the_commonest_channels_and_the_longest_series():
    raws = [wave(length=length, channels=2) for length in (5, 9, 7)]
    layout = SERIES.survey([*raws, wave(length=30)], SERIES.config())
    assert (layout.channels, layout.length) == (2, 30)
    assert SERIES.survey([np.zeros(9_000)], SERIES.config()).length == 4_096
    assert SERIES.survey([np.zeros(9_000)], SERIES.config(steps=9_000)).length == 9_000
    with pytest.raises(DataError, match="all are missing"):
        SERIES.survey([np.full(3, np.nan)], SERIES.config())
    with pytest.raises(DataError, match=r"modality\.steps=16384"):
        SERIES.survey([np.zeros((2, 4_096))], SERIES.config(steps=20_000))


def test_missing_values_stay_missing_and_steps_without_any_are_not_valid():
    view = views([holed(), wave(length=12, channels=2)])
    assert view.x[0, 4:7, 0].isnan().all()
    assert view.x[0, 4:7, 1].isfinite().all()
    assert view.valid[0].logical_not().nonzero().flatten().tolist() == [10]
    assert view.valid[1].tolist() == [True] * 12 + [False] * 8
    assert (view.x[~view.valid] == 0).all()


def test_series_of_other_channels_or_without_a_value_are_refused():
    layout = SeriesLayout(channels=2, length=4)
    with pytest.raises(Unreadable, match="3 channels"):
        read(np.zeros((5, 3)), layout)
    late = np.full((8, 2), np.nan)
    late[6] = 1
    with pytest.raises(Unreadable, match="first 4 steps"):
        read(late, layout)


def test_normalising_is_of_each_series_and_channel_and_can_be_left_out():
    raws = [holed() * 5 + 100, np.full((20, 2), 3.0)]
    plain, own = views(raws), views(raws, normalise="series")
    assert plain.x[0, 0, 0] > 90
    known = own.x[0][own.valid[0]]
    assert torch.allclose(known.nanmean(dim=0), torch.zeros(2), atol=1e-4)
    assert torch.allclose(known.square().nanmean(dim=0), torch.ones(2), atol=1e-3)
    assert torch.equal(own.x.isnan(), plain.x.isnan())
    assert (own.x[1] == 0).all()


def test_gaps_are_bridged_for_floors_alone():
    view = views([holed(), wave(length=12, channels=2)])
    found = of_one_length(view, 20)
    x = holed()
    at = np.arange(20)
    expected = np.interp(at, at[~np.isnan(x[:, 0])], x[~np.isnan(x[:, 0]), 0])
    assert np.allclose(found[0, :, 0], expected, atol=1e-5)
    assert np.allclose(found[1, [0, -1]], wave(length=12, channels=2)[[0, -1]], atol=1e-5)
    whole = views([wave(length=12), wave(1, length=12)])
    assert torch.equal(raw_values(whole), whole.x.flatten(1))


def test_statistics_are_what_they_say():
    view = views([wave(0, number, length=256) for number in range(3)])
    found = statistics(view)
    x = view.x[..., 0]
    assert torch.allclose(found[:, 0], x.mean(dim=1), atol=1e-5)
    assert torch.allclose(found[:, 1], x.std(dim=1, correction=0), atol=1e-5)
    assert torch.allclose(found[:, [2, 5, 8]], torch.stack([x.amin(1), x.median(1).values, x.amax(1)], 1), atol=0.05)
    correlation = np.corrcoef(x[0, 1:], x[0, :-1])[0, 1]
    assert float(found[0, 11]) == pytest.approx(correlation, abs=0.02)
    assert found.isfinite().all()


def test_the_spectrum_is_where_the_rhythm_is():
    """A wave of 8 rounds in 256 steps about a level of 2, against sums of sines on paper; where in a round it starts is
    not told."""
    time = np.arange(256) * 2 * np.pi / 256
    x = [np.stack([2 + np.sin(8 * time + start), np.cos(3 * time)], axis=1) for start in (0.0, 1.0)]
    found = spectrum(views(x))
    assert found.shape == (2, 129 * 2)
    expected = torch.zeros(129, 2)
    expected[0, 0], expected[8, 0], expected[3, 1] = 512, 128, 128
    assert torch.allclose(found.view(2, 129, 2), expected.expand(2, -1, -1), atol=1e-2)
    assert spectrum(views([np.full((1, 2), 3.0)] * 2)).tolist() == [[3, 3]] * 2


@pytest.mark.parametrize("raw", [np.ones((1, 2)), np.full((9, 2), 4.0), np.array([[1.0, np.nan]] * 5), holed()])
def test_floors_are_numbers_for_whatever_is_read(raw):
    view = views([raw, wave(length=12, channels=2)])
    for floor in SERIES.floors.values():
        assert floor(view).isfinite().all()
        assert torch.allclose(floor(view)[:1], floor(view[:1]), atol=1e-5)


class Held:
    def __init__(self, view):
        self.whole = view

    def __len__(self):
        return len(self.whole)

    def view(self, rows):
        return self.whole[rows]


@pytest.mark.parametrize("name", ["1-NN Euclid", "1-NN DTW"])
def test_the_nearest_series_gives_its_label(name):
    """Against a loop over pairs, with rows of which some are left out."""
    train = Held(views([wave(number % 2, number, length=24) for number in range(9)]))
    test = Held(views([wave(number % 2, 50 + number, length=24) for number in range(5)]))
    labels, rows = torch.arange(9) % 2, torch.tensor([0, 2, 3, 5, 8])
    found = SERIES.classifiers[name](train, test)(rows, labels[rows])
    band = 0 if name == "1-NN Euclid" else 2
    for number, x in enumerate(test.whole.x):
        distances = [walked(x[:, 0], train.whole.x[row, :, 0], band) for row in rows.tolist()]
        assert found[number] == labels[rows[int(np.argmin(distances))]]


def walked(first, second, band):
    table = {(-1, -1): 0.0}
    for i in range(len(first)):
        for j in range(max(0, i - band), min(len(second), i + band + 1)):
            least = min(table.get(place, np.inf) for place in ((i - 1, j), (i, j - 1), (i - 1, j - 1)))
            table[i, j] = least + float((first[i] - second[j]) ** 2)
    return table[len(first) - 1, len(second) - 1]


def test_neighbours_that_would_take_too_long_are_narrowed_or_left_out(monkeypatch, capfd):
    train, test = (Held(views([wave(n % 2, n + first, length=200) for n in range(6)])) for first in (0, 20))
    labels = torch.arange(6) % 2
    monkeypatch.setattr(neighbours, "_WORK", 36 * 4_000)
    assert torch.equal(neighbours.warped(train, test)(torch.arange(6), labels), labels)
    assert "narrowed from 200" in capfd.readouterr().err
    monkeypatch.setattr(neighbours, "_WORK", 1_000)
    assert neighbours.warped(train, test) is None
    monkeypatch.setattr(neighbours, "_PAIRS", 5)
    assert neighbours.euclid(train, test) is None
    said = capfd.readouterr().err
    assert "1-NN DTW is left out" in said
    assert "1-NN Euclid is left out" in said


def test_series_are_told_by_ts_alone(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 8, 2)))
    (tmp_path / "long.csv").write_text("series,time,x\na,1,2\n")
    (tmp_path / "words.csv").write_text("text,label\nI saw data.csv,a\n")
    (tmp_path / "lines.txt").write_text("see notes.txt\n")
    assert kind_of(str(tmp_path / "x.npy"), MODALITIES) is None
    assert kind_of(str(tmp_path / "long.csv"), MODALITIES) is None
    assert kind_of(str(tmp_path / "words.csv"), MODALITIES) == "text"
    assert kind_of(str(tmp_path / "lines.txt"), MODALITIES) == "text"
    assert kind_of(str(folder_of_waves(tmp_path / "waves", each=2)), MODALITIES) == "series"


def test_the_whole_way_of_series(tmp_path, monkeypatch):
    """Train, judge, embed a folder and arrays, draw: sixteen series and no flags."""
    data = folder_of_waves(tmp_path / "waves", each=8, test=4)
    encoder = tacit.train(str(data), str(tmp_path / "run"), settings={"budget": {"steps": 2}, "encoder": {"width": 8}})
    vectors = encoder.embed(str(data))
    assert vectors.shape == (24, 320)
    raw = encoder.open(str(data)).raw(0)
    assert np.allclose(encoder.embed([raw])[0], vectors[0], atol=1e-4)
    proof = tacit.evaluate(encoder, str(data), tasks=["few-label", "linear"])
    rows = {result.row for result in proof.evaluation.results}
    assert {"untrained", "raw values", "statistics", "spectrum", "1-NN Euclid", "1-NN DTW", "majority"} <= rows
    assert proof.evaluation.find("1-NN DTW", "linear", "all").value == 1
    monkeypatch.setattr(neighbours, "_WORK", 0)
    fewer = tacit.evaluate(encoder, str(data), tasks=["linear"])
    assert {result.row for result in fewer.evaluation.results} == rows - {"1-NN DTW"}
    again = tacit.load(str(tmp_path / "run")).embed([raw])
    assert np.allclose(again[0], vectors[0], atol=1e-4)


def test_arrays_are_series_where_that_is_said(tmp_path):
    np.save(tmp_path / "x.npy", np.stack([wave(number % 2, number, channels=2) for number in range(6)]))
    dataset = open_dataset(str(tmp_path / "x.npy"), SERIES, SERIES.config())
    assert dataset.layout == SeriesLayout(channels=2, length=40)
    assert isinstance(collate(torch.zeros(1, 40, 2), dataset.layout), View)
