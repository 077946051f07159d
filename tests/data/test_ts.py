"""`.ts`: the UCR and UEA archives' own format."""

import numpy as np
import pytest
from curves import folder_of_waves, ts, wave

from tacit.data.kind import kind_of
from tacit.data.source import open_source
from tacit.errors import DataError, Unreadable
from tacit.modalities import MODALITIES
from tacit.modalities.steps import SUFFIXES


def opened(path):
    return open_source(str(path), SUFFIXES)


def written(tmp_path, text):
    path = tmp_path / "x.ts"
    path.write_text(text)
    return opened(path)


def test_a_folder_of_two_files_is_the_published_split(tmp_path):
    source = opened(folder_of_waves(tmp_path / "waves", each=3, test=2, channels=2))
    assert len(source) == 10
    assert source.classes == ("quick", "slow")
    assert source.labels.tolist() == [1, 0] * 5
    assert source.splits.tolist() == [2] * 4 + [0] * 6  # in the order of their names
    assert source.name(4) == "waves_TRAIN:5"
    assert np.allclose(source.raw(4), wave(0, 0, channels=2), atol=1e-5)


def test_braces_and_single_files(tmp_path):
    folder = folder_of_waves(tmp_path / "waves", each=3, test=2)
    both = f"{folder}/waves_{{TRAIN,TEST}}.ts"
    assert opened(both).splits.tolist() == [0] * 6 + [2] * 4
    assert opened(folder / "waves_TEST.ts").splits is None
    for data in (folder, both, folder / "waves_TEST.ts"):
        assert kind_of(str(data), MODALITIES) == "series"


def test_missing_values_and_unequal_lengths(tmp_path):
    x = [wave(length=length, channels=2) for length in (5, 9, 1)]
    x[0][2, 1] = np.nan
    source = written(tmp_path, ts(x, ["a", "b", "a"]).replace("?", "NaN", 0))
    for row, expected in enumerate(x):
        assert np.allclose(source.raw(row), expected, atol=1e-5, equal_nan=True)


def test_targets_are_numbers(tmp_path):
    source = written(tmp_path, "@univariate true\n@targetlabel true\n@data\n1,2:0.25\n3,4:-1e3\n5,6:?\n")
    assert [float(source.classes[label]) for label in source.labels[:2]] == [0.25, -1000]
    assert source.labels[2] == -1


def test_series_without_labels(tmp_path):
    source = written(tmp_path, "# comment\n@classLabel false\n@data\n1,2:3,4\n# another\n5,6:7,8\n")
    assert source.raw(1).tolist() == [[5, 7], [6, 8]]
    assert source.labels.tolist() == [-1, -1]
    assert source.name(1) == "6"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no line @data"),
        ("const x: number = 1;\n", "no line @data"),
        ("@univariate true\n@data\n", "nothing to read"),
        ("@timeStamps true\n@data\n(0,1),(1,2)\n", "not read yet"),
        ("@dimension two\n@data\n1,2\n", "number of channels"),
    ],
)
def test_files_that_are_none(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        written(tmp_path, text)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1,2,x:a", "channel 1: 'x' is no number"),
        ("1,2:3,4:a", "2 channels, where the head of the file says 1"),
        ("a", "0 channels"),
        ("1,2:c", "none of those"),
        ("1,\xff2:a", "no UTF-8"),
    ],
)
def test_lines_that_are_none_are_listed(tmp_path, line, said):
    path = tmp_path / "x.ts"
    path.write_bytes(b"@univariate true\n@classLabel true a b\n@data\n1,2:a\n" + line.encode("latin-1") + b"\n3,4:b\n")
    source = opened(path)
    assert source.raw(2).tolist() == [[3], [4]]
    with pytest.raises(Unreadable, match=said):
        source.raw(1)


def test_channels_of_unequal_length_are_refused(tmp_path):
    source = written(tmp_path, "@dimensions 2\n@data\n1,2:3,4,5\n")
    with pytest.raises(Unreadable, match="2 to 3 values"):
        source.raw(0)


def test_a_folder_of_several_problems_is_refused(tmp_path):
    for name in ("A_TRAIN.ts", "A_TEST.ts", "B_TRAIN.ts"):
        (tmp_path / name).write_text("@data\n1,2\n")
    with pytest.raises(DataError, match=r"2 problems \(A, B\)"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("name", "train", "test", "shape", "classes"),
    [
        ("GunPoint", 50, 150, (150, 1), 2),
        ("BasicMotions", 40, 40, (100, 6), 4),
        ("ItalyPowerDemand", 67, 1029, (24, 1), 2),
    ],
)
def test_the_archives_own_files(real_data, name, train, test, shape, classes):
    source = opened(real_data / "time_series" / "ucr_uea" / name)
    assert np.bincount(source.splits).tolist() == [train, 0, test]
    assert source.raw(0).shape == shape
    assert len(source.classes) == classes


def test_the_archives_series_of_unequal_length_and_regression(real_data):
    folder = real_data / "time_series" / "ucr_uea"
    with pytest.raises(DataError, match="2 problems"):
        opened(folder / "PickupGestureWiimoteZ")
    source = opened(f"{folder}/PickupGestureWiimoteZ/PickupGestureWiimoteZ_{{TRAIN,TEST}}.ts")
    lengths = [len(source.raw(row)) for row in range(len(source))]
    assert (len(lengths), min(lengths), max(lengths)) == (100, 29, 361)
    regression = opened(folder / "CardanoSentiment")
    assert regression.raw(0).shape == (24, 2)
    assert all(np.isfinite([float(name) for name in regression.classes]))
