"""Many series in one table, and tables that hold one each."""

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from curves import wave, wide

from tacit.data.source import open_source
from tacit.errors import DataError, Unreadable
from tacit.modalities.steps import SUFFIXES


def opened(path):
    return open_source(str(path), SUFFIXES)


def table(tmp_path, text, name="x.csv"):
    path = tmp_path / name
    path.write_text(text)
    return opened(path)


GOOD = """series,time,heart,steps,label,group,split,fold
b,2,70,1,walk,anna,train,one
a,1,61,,rest,bert,test,two
b,1,69,0,walk,anna,train,one
a,3,63,4,rest,bert,test,two
a,2,nan,2,rest,bert,test,two
"""


def test_rows_become_series_in_the_order_of_time(tmp_path):
    source = table(tmp_path, GOOD)
    assert list(source.names) == ["b", "a"]
    assert source.raw(0).tolist() == [[69, 0], [70, 1]]
    expected = np.array([[61, np.nan], [np.nan, 2], [63, 4]])
    assert np.array_equal(source.raw(1), expected, equal_nan=True)
    assert [source.classes[label] for label in source.labels] == ["walk", "rest"]
    assert source.splits.tolist() == [0, 2]
    assert [source.group_names[group] for group in source.groups] == ["anna", "bert"]
    assert [source.fold_names[fold] for fold in source.folds] == ["one", "two"]


def test_parquet_tabs_and_capitals_say_the_same(tmp_path):
    tabs = table(tmp_path, GOOD.replace(",", "\t").replace("series", "ID").replace("time", "Timestamp"), "x.tsv")
    rows = [line.split(",") for line in GOOD.splitlines()]
    columns = {name: [row[place] or None for row in rows[1:]] for place, name in enumerate(rows[0])}
    for name in ("heart", "steps", "time"):
        columns[name] = [None if value is None else float(value) for value in columns[name]]
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "x.parquet")
    for source in (tabs, opened(tmp_path / "x.parquet")):
        assert np.array_equal(source.raw(1), [[61, np.nan], [np.nan, 2], [63, 4]], equal_nan=True)
        assert source.splits.tolist() == [0, 2]


def test_dates_are_times(tmp_path):
    source = table(
        tmp_path,
        "id,date,x\na,2024-03-01 13:00,2\na,2024-03-01T09:00:00,1\n"
        "b,2024-03-01T12:00:00+02:00,1\nb,2024-03-01T11:00:00Z,2\n",
    )
    assert source.raw(0).ravel().tolist() == [1, 2]
    assert source.raw(1).ravel().tolist() == [1, 2], "by UTC, not by what the clock showed"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a,1,5\na,2,6\na,1,7\n", "rows 2 and 4 have the same time"),
        ("a,2024-01-01,5\na,2024-01-02T00:00+01:00,6\n", "with a time zone, and others are without"),
        ("a,2024-01-01,5\na,7,6\n", "row 3: the time 7 is a number"),
        ("a,soon,5\n", "'soon' is no time"),
        ("a,,5\n", "row 2 has no time"),
        ("a,nan,5\n", "row 2 has no time"),
        ("a,1,warm\n", "row 2, column x: 'warm' is no number"),
    ],
)
def test_series_that_cannot_be_read_say_why_and_others_can(tmp_path, rows, said):
    source = table(tmp_path, f"series,time,x\n{rows}good,1,5\ngood,2,6\n")
    with pytest.raises(Unreadable, match=said):
        source.raw(0)
    assert source.raw(1).ravel().tolist() == [5, 6]


def test_two_labels_of_a_series_are_one_too_many(tmp_path):
    source = table(tmp_path, "series,time,x,label\na,1,5,up\na,2,6,down\n")
    with pytest.raises(Unreadable, match="row 3 gives the label 'down', and rows before it 'up'"):
        source.raw(0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("series,time\na,1\n", "no column of values"),
        ("series,id,time,x\na,b,1,2\n", "both name the series"),
        ("series,time,date,x\na,1,2,3\n", "both name the time"),
        ("series,time,x\n", "no row that names a series"),
        ("series,time,x\na,1,2,5\n", "row 2 has 4 cells, and the header 3"),
        ("series,time,x\na,1\n", "row 2 has 2 cells"),
    ],
)
def test_tables_that_contradict_themselves(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        table(tmp_path, text)


def test_rows_without_a_name_are_told(tmp_path):
    source = table(tmp_path, "series,time,x\na,1,2\n,2,3\na,2,4\n")
    assert source.raw(0).ravel().tolist() == [2, 4]
    assert any("rows 3" in note for note in source.notes)


def test_a_folder_of_tables_is_a_series_a_file_and_folders_are_classes(tmp_path):
    for kind, name in enumerate(("slow", "quick")):
        (tmp_path / "waves" / name).mkdir(parents=True)
        for number in range(2):
            (tmp_path / "waves" / name / f"{number}.csv").write_text(wide(wave(kind, number)))
    source = opened(tmp_path / "waves")
    assert (len(source), source.classes) == (4, ("quick", "slow"))
    assert source.raw(0).startswith(b"c0\n")


def test_a_list_names_files_and_a_table_of_numbers_is_one_series(tmp_path):
    (tmp_path / "one.txt").write_text("1 2 3\n4 5 6\n")
    (tmp_path / "list.csv").write_text("path,label,group,split\none.txt,walk,anna,train\n")
    listed = opened(tmp_path / "list.csv")
    assert (listed.classes, listed.splits.tolist(), listed.raw(0)) == (("walk",), [0], b"1 2 3\n4 5 6\n")
    (tmp_path / "names.txt").write_text("one.txt\n")
    assert list(opened(tmp_path / "names.txt").names) == ["one.txt"]
    for name in ("one.txt", "alone.csv"):
        (tmp_path / "alone.csv").write_text("time,x\n1,2\n")
        assert list(opened(tmp_path / name).names) == [name]


def test_the_wrist_accelerometers_are_read(real_data):
    source = opened(real_data / "time_series" / "hmp_adl" / "split.csv")
    assert len(source) == 839
    assert np.bincount(source.splits).tolist() == [619, 0, 220]
    assert len(source.classes) == 14
