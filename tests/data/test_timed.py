"""Rows at even steps, whatever holds them: a table of many series, files, lists, and what has no times."""

import numpy as np
import pytest
import torch
from curves import folder_of_waves, wide

from tacit.data.dataset import open_dataset, opened
from tacit.errors import DataError, Unreadable
from tacit.modalities.series import SERIES

NAN = float("nan")
TEN = SERIES.config(every="10m")


def table(tmp_path, text, settings=TEN):
    path = tmp_path / "x.csv"
    path.write_text(text)
    return opened(str(path), SERIES, settings)


def same(found, expected):
    return np.array_equal(found, np.array(expected, np.float32), equal_nan=True)


def test_a_table_of_many_series_at_even_steps(tmp_path):
    source = table(
        tmp_path,
        "series,time,x,y,label,group\n"
        "b,2024-05-01 13:31,5,,worn,hall\n"
        "a,2024-05-01 13:04,1,7,new,yard\n"
        "b,2024-05-01 13:02,2,3,worn,hall\n"
        "b,2024-05-01 13:02,4,,worn,hall\n"
        "b,2024-05-01 13:09,9,4,worn,hall\n",
    )
    assert list(source.names) == ["b", "a"]
    assert same(source.raw(0), [[5, 3.5], [NAN, NAN], [NAN, NAN], [5, NAN]])
    assert source.times(0) == [f"2024-05-01 13:{minute}0:00" for minute in range(4)]
    assert same(source.raw(1), [[1, 7]])
    assert [source.classes[label] for label in source.labels] == ["worn", "new"]
    assert [source.group_names[group] for group in source.groups] == ["hall", "yard"]
    assert source.marks is None


def test_parts_share_no_row_and_between_them_nothing_is_lost(tmp_path):
    rows = ["13:05,1,train", "13:22,2,train", "13:26,8,val", "14:01,3,test", "14:02,,test", "14:05,5,test"]
    source = table(tmp_path, "time,x,split\n" + "".join(f"2024-05-01 {row}\n" for row in reversed(rows)))
    assert list(source.names) == ["x.csv:train", "x.csv:val", "x.csv:test"]
    assert source.splits.tolist() == [0, 1, 2]
    assert same(source.raw(0), [[1], [NAN], [2]]), "13:26 is none of training's"
    assert same(source.raw(1), [[8], [NAN], [NAN], [NAN]]), "until the test part begins"
    assert same(source.raw(2), [[4]])
    assert [source.times(row)[0][11:16] for row in range(3)] == ["13:00", "13:20", "14:00"]
    assert len(source.times(1)) == 4


def test_parts_may_meet_at_one_time_where_rows_are_averaged(tmp_path):
    text = "time,x,split\n1,5,train\n2,6,test\n2,7,train\n2,8,train\n3,9,test\n"
    source = table(tmp_path, text, SERIES.config(every="1"))
    assert [source.raw(row).ravel().tolist() for row in range(2)] == [[5, 7.5], [6, 9]]
    with pytest.raises(Unreadable, match="have the same time"):
        table(tmp_path, text, SERIES.config()).raw(0)
    again = table(tmp_path, text + "4,1,train\n", SERIES.config(every="1"))
    with pytest.raises(Unreadable, match="row 7 is of the split 'train' again"):
        again.raw(0)


def test_a_step_is_marked_where_one_of_its_rows_is(tmp_path):
    source = table(
        tmp_path,
        "time,x,anomaly\n2024-05-01 13:05,1,0\n2024-05-01 13:02,1,1\n2024-05-01 13:21,1,\n2024-05-01 13:31,1,true\n",
    )
    assert source.marks(0).tolist() == [True, False, False, True]


def test_a_table_of_a_wrong_decade_is_left_out_with_its_rows(tmp_path):
    text = "series,time,x\na,1970-01-01,1\na,2024-05-01 13:00,1\nb,2024-05-01 13:00,1\n"
    source = table(tmp_path, text, SERIES.config(every="1s"))
    with pytest.raises(Unreadable, match="row 2 is of 1970-01-01 00:00:00, and row 3 of 2024-05-01 13:00:00"):
        source.raw(0)
    assert same(source.raw(1), [[1]])


@pytest.fixture
def files(tmp_path):
    """Files with times and one without, and a list of the former."""
    for number in range(4):
        (tmp_path / "set").mkdir(exist_ok=True)
        x = np.arange(3.0)[:, None] + number
        (tmp_path / "set" / f"{number}.csv").write_text(wide(x, times=[0, 5 + number, 30]))
    (tmp_path / "list.csv").write_text("path,label,split\nset/0.csv,up,train\nset/3.csv,down,test\n")
    return tmp_path


def test_files_and_lists_of_them(files):
    dataset = open_dataset(str(files / "set"), SERIES, SERIES.config(every="10"), cache_dir=files / "cache")
    view = dataset.everything().view(torch.arange(4))
    expected = [[0.5 + number, NAN, NAN, 2 + number] for number in range(4)]
    assert np.array_equal(torch.where(view.valid, view.x[..., 0], NAN), expected, equal_nan=True)
    assert dataset.times(2) == ["0", "10", "20", "30"]
    assert same(dataset.raw(2), [[2.5], [NAN], [NAN], [4]])
    source = opened(str(files / "list.csv"), SERIES, SERIES.config(every="10"))
    assert same(source.raw(1), [[3.5], [NAN], [NAN], [5]])


def test_without_the_setting_times_are_told_and_rows_stay(files):
    source = opened(str(files / "set"), SERIES, SERIES.config())
    assert source.times(1) == ["0", "6", "30"]
    assert source.raw(1).startswith(b"time,c0")
    (files / "set" / "1.csv").write_text("c0\n1\n2\n")
    assert source.times(1) == ()


def test_the_cap_and_windows_count_even_steps_and_a_layout_asks_alike(files):
    capped = open_dataset(str(files / "set"), SERIES, SERIES.config(every="1", steps=7), cache_dir=files / "cache")
    assert capped.layout.shape == (7, 1)
    view = capped.everything().view(torch.arange(1))
    assert view.valid[0].nonzero().ravel().tolist() == [0, 5]
    assert capped.layout.brief()["a step every"] == "1"
    wanted = SERIES.config(every="1", window=10, stride=10)
    cut = open_dataset(str(files / "set"), SERIES, wanted, cache_dir=files / "cache")
    assert list(cut.everything().names)[:2] == ["0.csv#steps=0,10", "0.csv#steps=21,31"], "between them is nothing"
    again = open_dataset(str(files / "set"), SERIES, SERIES.config(), cut.layout, cache_dir=files / "cache")
    assert list(again.everything().names) == list(cut.everything().names)
    assert again.content_hash == cut.content_hash
    plain = open_dataset(str(files / "set"), SERIES, SERIES.config(), cache_dir=files / "cache")
    assert plain.layout.shape == (3, 1), "what was packed at even steps is none of it"


def test_what_has_no_times_is_refused(tmp_path):
    folder_of_waves(tmp_path / "archive")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((4, 20, 1)))
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "1.csv").write_text("x\n1\n2\n")
    for name in ("archive", "x.npy", "bare"):
        with pytest.raises(DataError, match=r"it has no times, and modality\.every=10m needs them") as raised:
            open_dataset(str(tmp_path / name), SERIES, TEN, cache_dir=tmp_path / "cache")
        assert "leave modality.every out" in str(raised.value)
