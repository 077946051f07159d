"""Long series in windows: all of each, named by steps, and what comes next."""

import json

import numpy as np
import pytest
import torch
from curves import wave, wide
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit.cli import run
from tacit.core import Draws, shown
from tacit.data.dataset import open_dataset
from tacit.errors import DataError, UsageError
from tacit.modalities.series import SERIES
from tacit.modalities.stretches import SeriesLayout

EVERY = SERIES.config(window=16, stride=8)
LENGTHS = {"walk/1": 40, "walk/2": 13, "climb/3": 45, "climb/4": 16}


@pytest.fixture
def folder(tmp_path):
    """Ramps, so that each value says at which step it stands."""
    for name, length in LENGTHS.items():
        path = tmp_path / "set" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wide(np.arange(length, dtype=float)[:, None] + 100 * int(name[-1])))
    return tmp_path / "set"


def opened(folder, wanted=EVERY):
    return open_dataset(str(folder), SERIES, wanted, cache_dir=folder.parent / "cache")


def cut(raw, window, stride):
    layout = SeriesLayout(channels=raw.shape[1], length=window, stride=stride)
    rows, parts = zip(*SERIES.pieces.cut(raw, layout), strict=True)
    return rows, [tuple(map(int, part.removeprefix("steps=").split(","))) for part in parts if part]


@given(st.integers(1, 200), st.integers(2, 50), st.integers(1, 50))
@settings(max_examples=60)
def test_windows_are_all_of_a_series_and_what_slices_of_it_would_be(length, window, stride):
    stride = min(window, stride)
    raw = wave(length=length, channels=2)
    rows, spans = cut(raw, window, stride)
    if length <= window:
        assert spans == []
        assert np.allclose(rows[0][:length], raw)
        return
    assert {step for begin, end in spans for step in range(begin, end)} == set(range(length))
    assert all(end - begin == window for begin, end in spans)
    assert [begin for begin, _ in spans[:-1]] == [stride * number for number in range(len(spans) - 1)]
    own = SeriesLayout(channels=2, length=window)
    for row, (begin, end) in zip(rows, spans, strict=True):
        assert np.array_equal(row, SERIES.read(raw[begin:end], own))


def test_windows_are_samples_with_the_label_and_the_part_of_their_series(folder):
    dataset = opened(folder)
    samples = dataset.everything()
    names = list(samples.names)
    assert names[:5] == [f"climb/3.csv#steps={begin},{begin + 16}" for begin in (0, 8, 16, 24, 29)]
    assert names[5] == "climb/4.csv", "it fits"
    assert names[6:10] == [f"walk/1.csv#steps={begin},{begin + 16}" for begin in (0, 8, 16, 24)]
    assert [dataset.classes[label] for label in samples.labels] == ["climb"] * 6 + ["walk"] * 5
    assert samples.units.tolist() == [0] * 5 + [1] + [2] * 4 + [3]
    parts = dataset.part_of()
    assert len(set(parts[:5])) == len(set(parts[6:10])) == 1
    assert any("2 of 4 series are longer than a row holds and are read in 9 pieces" in note for note in dataset.notes)


def test_next_is_the_window_that_follows_and_the_last_is_its_own(folder):
    samples = opened(folder).everything()
    rows = torch.tensor([0, 3, 4, 5, 8, 10])
    assert samples.later(rows).tolist() == [1, 4, 4, 5, 9, 10]
    view = shown(samples, rows, "next")
    assert torch.equal(view.index, rows), "random numbers and banks are those of the sample itself"
    assert torch.equal(view.x, samples.view(samples.later(rows)).x)
    assert torch.equal(shown(samples, rows, "strong").x, samples.view(rows).x)
    some = samples.select(torch.tensor([4, 2, 9, 0]))
    assert some.later(torch.arange(4)).tolist() == [0, 0, 2, 1], "the next one of those that are here"


def test_what_follows_is_seen_as_in_strong_and_of_whole_series_the_end(folder):
    config = SERIES.config.parse({"window": 16, "stride": 8, "strong": {"crop": [1, 1]}})
    samples = opened(folder, config).everything()
    rows = torch.tensor([0, 1])
    view = SERIES.augment(config)["next"](shown(samples, rows, "next"), Draws.of(0, 0, rows, 1))
    assert torch.allclose(view.x[..., 0], samples.view(torch.tensor([1, 2])).x[..., 0], atol=1e-3)
    whole = opened(folder, SERIES.config())
    rows = torch.arange(4)
    late = SERIES.augment(SERIES.config())["next"](whole.everything().view(rows), Draws.of(0, 0, rows, 1))
    assert torch.allclose((late.x[..., 0] % 100).amax(dim=1), torch.tensor([44.0, 15, 39, 12]), atol=1)
    assert late.valid.sum(dim=1).max() <= 23


def test_windows_without_a_value_are_left_out_and_gaps_stay(folder):
    x = wave(length=64, channels=2)
    x[16:48], x[5, 0] = np.nan, np.nan
    rows, spans = cut(x, 16, 16)
    assert spans == [(0, 16), (48, 64)]
    assert np.isnan(rows[0]).sum() == 1


def test_windows_that_cannot_be_are_refused(folder):
    for wrong, said in (
        ({"stride": 8}, "give modality.window"),
        ({"window": 16, "steps": 99}, "give one of them"),
        ({"window": 16, "stride": 17}, "modality.stride 16 or less"),
    ):
        with pytest.raises(UsageError, match=said):
            SERIES.config.parse(wrong)
    with pytest.raises(DataError, match=r"modality\.window is 46 steps, and the longest series has 45"):
        opened(folder, SERIES.config(window=46))
    assert SERIES.survey([np.zeros(50)], SERIES.config(window=20)).stride == 10


def test_series_beyond_the_usual_length_are_cut_off_with_a_note(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((4, 4_100, 1)))
    cut_off, whole = (opened(tmp_path / "x.npy", SERIES.config(steps=steps)) for steps in (None, 4_100))
    assert any("--set modality.window=256 reads all of it" in note for note in cut_off.notes)
    assert not any("cut off" in note for note in whole.notes)
    assert len(opened(tmp_path / "x.npy", SERIES.config(window=1_025, stride=1_025))) == 16


def test_the_whole_way_of_windows(tmp_path, capfd, monkeypatch):
    """Train on (strong, next), judge by labelled series, embed: sixteen series of unequal length, one channel still."""
    monkeypatch.chdir(tmp_path)
    lines = ["path,label,split"]
    for number in range(16):
        x = wave(number % 2, number, length=50 + 7 * number, channels=3)
        x[:, 2] = 3
        (tmp_path / f"{number}.csv").write_text(wide(x))
        lines.append(f"{number}.csv,{('slow', 'quick')[number % 2]},{'test' if number > 9 else 'train'}")
    (tmp_path / "waves.csv").write_text("\n".join(lines) + "\n")
    said = ["--set", "modality.name=series", "--set", "modality.window=32", "--set", "method.positive=next"]
    assert run(["inspect", "waves.csv", *said, "--json"]) == 0
    seen = json.loads(capfd.readouterr().out)
    assert seen["wholes"] == 16
    assert seen["samples"] > 60
    assert run(["train", "waves.csv", *said, "--steps", "2", "--set", "encoder.width=8", "--out", "run"]) == 0
    task = ["--task", "few-label,semi", "--labels", "2,6", "--folds", "2", "--metric", "balanced"]
    assert run(["evaluate", "run", "waves.csv", *task, "--json"]) == 0
    capfd.readouterr()
    told = json.loads((tmp_path / "run" / "balanced.json").read_text())["results"]
    few = [result for result in told if result["task"] == "few-label" and result["kind"] == "encoder"]
    assert [result["metric"] for result in few] == ["2 in all, balanced", "6 in all, balanced"]
    assert [result["protocol"]["labels"] for result in few] == [2, 6]
    assert all(result["protocol"]["resampled"].startswith("6 whole samples") for result in few)
    assert {result["row"] for result in told} >= {"1-NN DTW", "spectrum"}
    assert run(["evaluate", "run", "waves.csv", "--labels", "12"]) == 2
    assert "the rarest has 5 training samples" in capfd.readouterr().err
    assert run(["embed", "run", "waves.csv", "--out", "vectors.npy"]) == 0
    names = (tmp_path / "vectors.txt").read_text().splitlines()
    assert len(names) == seen["samples"]
    assert names[0] == "0.csv#steps=0,32"
