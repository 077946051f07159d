"""Logs of interactions: columns by name, order by time, and what is said of what does not fit."""

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacit.data.kind import kind_of
from tacit.data.source import open_source
from tacit.errors import DataError
from tacit.modalities import MODALITIES
from tacit.modalities.histories import Record, items_of, records_of
from tacit.modalities.interactions import INTERACTIONS

GOOD = """user,item,time,rating
b,x,3,5
a,y,2,4
b,z,1,1
a,x,1,2
b,y,2,3
"""


def opened(path):
    return open_source(str(path), INTERACTIONS.suffixes)


def table(tmp_path, text, name="x.csv"):
    path = tmp_path / name
    path.write_text(text)
    return opened(path)


def held(source):
    return {source.name(row): items_of(source.raw(row)) for row in range(len(source))}


def test_users_stand_in_the_order_of_the_file_and_their_items_in_that_of_time(tmp_path):
    source = table(tmp_path, GOOD)
    assert held(source) == {"b": ["z", "y", "x"], "a": ["x", "y"]}
    assert list(source.names) == ["b", "a"]
    assert source.notes == ()


def test_columns_are_known_by_their_names_wherever_they_stand(tmp_path):
    rows = [line.split(",") for line in GOOD.splitlines()[1:]]
    wanted = held(table(tmp_path, GOOD))
    turned = "Timestamp\tItem_ID\tseen\tUSER_ID\n" + "".join(f"{t}\t{i}\tno\t{u}\n" for u, i, t, _ in rows)
    assert held(table(tmp_path, turned, "x.tsv")) == wanted
    inter = "user_id:token\titem_id:token\ttimestamp:float\n" + "".join(f"{u}\t{i}\t{t}.0\n" for u, i, t, _ in rows)
    assert held(table(tmp_path, inter, "x.inter")) == wanted
    dated = "user;item;date\n" + "".join(f"{u};{i};2024-03-0{t} 12:00\n" for u, i, t, _ in rows)
    assert held(table(tmp_path, dated)) == wanted
    columns = {
        "user": [row[0] for row in rows],
        "item": [row[1] for row in rows],
        "time": [int(row[2]) for row in rows],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "x.parquet")
    assert held(opened(tmp_path / "x.parquet")) == wanted


def test_movielens_own_files_and_folders_are_read(tmp_path):
    (tmp_path / "ml-100k").mkdir()
    (tmp_path / "ml-100k" / "u.data").write_text(
        "196\t242\t3\t881250949\n186\t302\t3\t891717742\n196\t51\t1\t881250948\n"
    )
    (tmp_path / "ml-100k" / "u1.base").write_text("1\t1\t5\t874965758\n")
    (tmp_path / "ml-1m").mkdir()
    (tmp_path / "ml-1m" / "ratings.dat").write_text("1::1193::5::978300760\n1::661::3::978302109\n")
    (tmp_path / "ml-1m" / "movies.dat").write_text("1::Toy Story (1995)::Animation\n")
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,307,3.5,1256677221\n1,481,3.5,9\n"
    )
    assert held(opened(tmp_path / "ml-100k")) == {"196": ["51", "242"], "186": ["302"]}
    assert held(opened(tmp_path / "ml-1m" / "ratings.dat")) == {"1": ["1193", "661"]}
    assert held(opened(tmp_path / "latest")) == {"1": ["481", "307"]}
    for name in ("ml-100k", "ml-1m", "latest"):
        assert kind_of(str(tmp_path / name), MODALITIES) == "interactions"


def test_lines_are_users_and_their_items_in_order(tmp_path):
    assert held(table(tmp_path, "7 b a b\n\n8 c\n", "x.txt")) == {"7": ["b", "a", "b"], "8": ["c"]}
    with pytest.raises(DataError, match="line 2 is of user 7"):
        table(tmp_path, "7 a\n7 b\n", "x.txt")
    with pytest.raises(DataError, match="no line of a user and items"):
        table(tmp_path, "7\n", "x.txt")


def test_ties_keep_the_order_of_the_file_and_doubles_count_once_both_are_said(tmp_path):
    source = table(tmp_path, "user,item,time\na,x,5\na,w,5\na,x,5\na,v,1\nb,x,-5\nb,y,5\n")
    assert held(source) == {"a": ["v", "x", "w"], "b": ["x", "y"]}
    assert [note.partition(": ")[2][:12] for note in source.notes] == ["1 rows say w", "1 of 5 inter", "1 interactio"]


@given(st.permutations(range(12)))
def test_rows_may_stand_in_any_order(tmp_path_factory, order):
    rows = [f"u{number % 3},i{number},{number // 3}" for number in range(12)]
    folder = tmp_path_factory.mktemp("log")
    source = table(folder, "user,item,time\n" + "\n".join(rows[number] for number in order) + "\n")
    assert held(source) == {f"u{user}": [f"i{user + 3 * step}" for step in range(4)] for user in range(3)} | {}


def test_whole_numbers_that_were_written_as_floats_are_ids(tmp_path):
    assert held(table(tmp_path, "user,item,time\n1.0,12.0,1\n1,13.0,2\n")) == {"1": ["12", "13"]}
    columns = {"user": [1.0, 1.0], "item": [3.0, 4.0], "time": [1.0, 2.0]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "x.parquet")
    assert held(opened(tmp_path / "x.parquet")) == {"1": ["3", "4"]}
    assert held(table(tmp_path, "user,item,time\na,v1.5,1\na,2.5,2\n")) == {"a": ["v1.5", "2.5"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("user,item,rating\na,x,1\n", "no column time .*order of rows"),
        ("who,item,time\na,x,1\n", "no column user"),
        ("user,user_id,item,time\na,a,x,1\n", "both name the user"),
        ("user,item,time\na,x\n", "row 2 has 2 cells"),
        ("user,item,time\na,0.25,1\na,0.5,2\n", "numbers such as 0.25"),
        ("user,item,time\na,x,yesterday\n", "row 2: 'yesterday' is no time"),
        ("user,item,time\na,x,1\na,y,2024-01-01\n", "row 3: the time 2024-01-01"),
        ("user,item,time\na,x,inf\n", "row 2 has no time"),
        ("user,item,time\n,,\n", "no row with a user"),
        ("user,item,time\n", "no row with a user"),
        ("", "is empty"),
        ('user,item,time\na,"x\ny",1\n', "several lines"),
    ],
)
def test_what_is_no_log_is_told(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        table(tmp_path, text)


def test_bytes_that_are_no_text_and_folders_without_a_log_are_told(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"user,item,time\na,\xff\xfe,1\n")
    with pytest.raises(DataError, match="cannot be read as a table"):
        opened(tmp_path / "x.csv")
    (tmp_path / "x.dat").write_text("1::2\n")
    with pytest.raises(DataError, match="not as MovieLens"):
        opened(tmp_path / "x.dat")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no log"):
        opened(tmp_path / "empty")


def test_rows_that_lack_something_are_left_out_and_counted(tmp_path):
    source = table(tmp_path, "user,item,time\na,x,1\na, ,2\n,y,3\na,z,\na,w,5\n")
    assert held(source) == {"a": ["x", "w"]}
    assert "3 rows lack user, item or time: left out (rows 3, 4, 5)" in source.notes[0]


def test_a_column_split_says_what_each_row_is_for(tmp_path):
    text = "user,item,time,Split\na,x,1,train\na,y,2,dev\na,z,2,training\na,w,9,TEST\na,v,3,\nb,x,1,train\n"
    source = table(tmp_path, text)
    assert [(each.name, each.part) for each in records_of(source.raw(0))] == [
        ("x", "train"),
        ("z", "train"),
        ("y", "val"),
        ("w", "test"),
    ], "of one time train comes first"
    assert "1 rows are of no part of the column split: left out" in source.notes[0]
    assert "its column split divides the interactions: train 3, val 1, test 1" in source.notes[-1]
    assert [each.part for each in records_of(table(tmp_path, text.replace("Split", "seen")).raw(1))] == [""]
    with pytest.raises(DataError, match=r"no split is called 'tset'; did you mean 'test'"):
        table(tmp_path, text.replace("TEST", "tset"))
    with pytest.raises(
        DataError, match="1 users have rows of an earlier part behind later ones, such as a train behind"
    ):
        table(tmp_path, text.replace("a,w,9", "a,w,0"))


def test_the_kind_is_told_by_the_columns(tmp_path):
    (tmp_path / "log.csv").write_text(GOOD)
    (tmp_path / "reviews.csv").write_text("user,item,time,text\na,x,1,a good book\n")
    assert kind_of(str(tmp_path / "log.csv"), MODALITIES) == "interactions"
    assert kind_of(str(tmp_path / "reviews.csv"), MODALITIES) == "text"


def test_events_and_values_are_read_where_a_column_says_so(tmp_path):
    text = "user,item,time,Event_Type,rating\na,x,1,view,\na,x,1,buy,4.5\na,x,1,buy,4.5\na,y,2,,5\n"
    source = table(tmp_path, text)
    assert records_of(source.raw(0)) == [Record("x", 1, "view"), Record("x", 1, "buy", 4.5), Record("y", 2, "", 5)]
    assert held(source) == {"a": ["x", "y"]}, "seen and bought at once is one step"
    columns = {
        "user": ["a", "a"],
        "item": ["x", "y"],
        "time": pyarrow.array([0, 86_400_000_000], pyarrow.timestamp("us")),
        "event": [1, None],
        "value": ["much", "little"],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "x.parquet")
    assert records_of(opened(tmp_path / "x.parquet").raw(0)) == [Record("x", 0, "1"), Record("y", 86_400)]
    columns["time"] = pyarrow.array([0, 1], pyarrow.date32())
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "days.parquet")
    assert records_of(opened(tmp_path / "days.parquet").raw(0)) == [Record("x", 0, "1"), Record("y", 86_400)]
    columns["time"] = pyarrow.array([0, 1], pyarrow.time64("us"))
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "clock.parquet")
    with pytest.raises(DataError, match="row 1 has no time that is read"):
        opened(tmp_path / "clock.parquet")
