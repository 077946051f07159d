"""A column `split` a row: series that are divided by time."""

import numpy as np
import pytest

from tacit.data.source import open_source
from tacit.errors import Unreadable
from tacit.modalities.steps import SUFFIXES

PARTS = ("train", "train", "val", "test", "")


def table(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_text(text)
    return open_source(str(path), SUFFIXES)


def test_one_series_is_a_sample_a_part_in_the_order_of_time(tmp_path):
    rows = [f"2024-01-0{day},{day},{10 * day},{part}" for day, part in enumerate(PARTS, 1)]
    source = table(tmp_path, "date,x,y,split\n" + "\n".join(reversed(rows)) + "\n")
    assert list(source.names) == ["x.csv:train", "x.csv:val", "x.csv:test", "x.csv:rest"]
    assert source.splits.tolist() == [0, 1, 2, -1]
    assert source.stretches.tolist() == [0, 0, 0, 0]
    assert [source.raw(row).tolist() for row in range(4)] == [
        [[1, 10], [2, 20]],
        [[3, 30]],
        [[4, 40]],
        [[5, 50]],
    ]


def test_of_many_series_some_are_divided(tmp_path):
    rows = ["a,1,5,train", "b,1,7,train", "a,2,6,test", "b,2,8,train", "c,1,9,test"]
    source = table(tmp_path, "series,time,x,split\n" + "\n".join(rows) + "\n")
    assert list(source.names) == ["a:train", "a:test", "b", "c"]
    assert source.splits.tolist() == [0, 2, 0, 2]
    assert source.stretches.tolist() == [0, 0, 1, 2]
    assert source.raw(2).ravel().tolist() == [7, 8]


def test_a_table_whose_series_are_whole_has_no_stretches(tmp_path):
    source = table(tmp_path, "series,time,x,split\na,1,5,train\na,2,6,train\nb,1,7,test\n")
    assert source.stretches is None
    assert list(source.names) == ["a", "b"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("1,5,train\n2,6,test\n3,7,train\n", "row 4 is of the split 'train' again, after later parts"),
        ("1,5,train\n1,6,test\n", "rows 2 and 3 have the same time"),
        ("1,5,train\nsoon,6,test\n", "'soon' is no time"),
    ],
)
def test_parts_that_are_no_stretches_of_time_say_why(tmp_path, rows, said):
    source = table(tmp_path, f"time,x,split\n{rows}")
    for row in range(len(source)):
        with pytest.raises(Unreadable, match=said):
            source.raw(row)


def test_a_list_with_times_stays_a_list(tmp_path):
    (tmp_path / "one.txt").write_text("1 2 3\n4 5 6\n")
    source = table(tmp_path, "path,time,split\none.txt,1,train\n")
    assert source.raw(0) == b"1 2 3\n4 5 6\n"


def test_a_hundred_thousand_steps_are_divided_in_seconds(tmp_path):
    count = 100_000
    rows = "\n".join(f"{step},{step % 7},{('train', 'test')[step >= 80_000]}" for step in range(count))
    source = table(tmp_path, f"time,x,split\n{rows}\n")
    assert [len(source.raw(row)) for row in range(2)] == [80_000, 20_000]
    assert np.array_equal(source.raw(1).ravel()[:3], [80_000 % 7, 80_001 % 7, 80_002 % 7])


def test_marked_steps_are_no_channel_and_follow_the_parts(tmp_path):
    rows = ["2024-01-03,7,True,test", "2024-01-01,5,0,train", "2024-01-02,6,,train", "2024-01-04,8,1.0,test"]
    source = table(tmp_path, "date,x,anomaly,split\n" + "\n".join(rows) + "\n")
    assert [source.raw(row).tolist() for row in range(2)] == [[[5], [6]], [[7], [8]]]
    assert [source.marks(row).tolist() for row in range(2)] == [[False, False], [True, True]]
    assert [source.times(row) for row in range(2)] == [["2024-01-01", "2024-01-02"], ["2024-01-03", "2024-01-04"]]


def test_marks_that_are_none_and_columns_that_look_like_them_are_said(tmp_path):
    source = table(tmp_path, "time,x,anomaly\n1,5,0\n2,6,2\n")
    with pytest.raises(Unreadable, match="row 3, column anomaly: 2 is neither 0 nor 1"):
        source.raw(0)
    source = table(tmp_path, "time,x,is_anomaly\n1,5,0\n2,6,1\n")
    assert source.marks is None
    assert "column 'is_anomaly' is a channel; rename it to 'anomaly'" in source.notes[0]
