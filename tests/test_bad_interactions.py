"""Whatever the user gives as a log: one clear message with the fix, the right exit code, no traceback, no loss."""

import pytest
from baskets import histories, log, sequences

from tacit.cli import run

QUICK = ["--steps", "2", "--batch", "4", "--set", "evaluations=0"]
NAMED = ["--set", "modality.name=interactions"]


def written(name, text):
    def prepare(tmp):
        (tmp / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp / name

    return prepare


def rows(*lines, header="user,item,time"):
    return "\n".join([header, *lines]) + "\n"


def many(change):
    """A good log, each row changed."""

    def prepare(tmp):
        lines = log(tmp / "log.csv", histories(12, 10)).read_text().splitlines()
        (tmp / "log.csv").write_text("\n".join([lines[0], *map(change, lines[1:])]) + "\n")
        return tmp / "log.csv"

    return prepare


CASES = [
    ("unsorted", lambda tmp: turned(tmp), 0, ()),
    ("no times apart", many(lambda row: row.rpartition(",")[0] + ",5"), 0, ("the file's order is kept",)),
    ("negative times", many(lambda row: row.replace(",17", ",-17")), 0, ("have a negative time",)),
    ("doubled", many(lambda row: f"{row}\n{row}"), 0, ("count once",)),
    ("ids as floats", many(lambda row: row.replace("item-", "").replace(",1700", ".0,1700")), 0, ()),
    (
        "broken numbers",
        written("x.csv", rows("1,0.5,1", "2,0.25,2")),
        3,
        ("numbers such as 0.", "is meant"),
    ),
    ("one user", written("x.csv", rows(*(f"a,i{n},{n}" for n in range(9)))), 3, ("1 user for training", "at least 2")),
    ("one item", written("x.csv", rows(*(f"u{n % 5},i,{n}" for n in range(30)))), 3, ("nothing to tell apart",)),
    ("short users", written("x.csv", rows(*(f"u{n},i{n % 3},{n}" for n in range(9)))), 3, ("of none of the 9 users",)),
    ("no times", written("x.csv", rows("a,x", header="user,item")), 3, ("no column time", "order of rows")),
    ("no users", written("x.csv", rows("x,1", header="item,time")), 3, ("no column user", "item, time")),
    ("nothing", written("x.csv", ""), 3, ("is empty",)),
    ("header alone", written("x.csv", "user,item,time\n"), 3, ("no row with a user",)),
    ("a picture", written("x.csv", b"\x89PNG\r\n\x1a\n\x00\xff\xd8"), 3, ("no column user",)),
    ("not parquet", written("x.parquet", b"PAR1 and more"), 3, ("cannot be read as a table",)),
    ("binary lines", written("x.txt", b"a \xff\xfe b\n"), 3, ("is no UTF-8",)),
    ("other format", written("x.dat", "1;2;3;4\n"), 3, ("not as MovieLens writes it",)),
    ("no events", many(lambda row: row), 3, ("no column event",), ("--set", "modality.event=buy")),
    ("no values", many(lambda row: row), 3, ("no column value",), ("--set", "modality.least_value=4")),
    ("a moment too late", many(lambda row: row), 3, ("on one side",), ("--set", "modality.split=2090-01-01")),
    (
        "other parts",
        written("x.csv", rows("a,x,1,train", "a,y,2,tests", header="user,item,time,split")),
        3,
        ("no split is called 'tests'", "did you mean 'test'"),
    ),
    (
        "parts in any order",
        written("x.csv", rows("a,x,1,test", "a,y,2,train", header="user,item,time,split")),
        3,
        ("in the order of time",),
    ),
    ("no parts", many(lambda row: row), 3, ("a column split",), ("--set", "modality.split=column")),
    ("no moment", many(lambda row: row), 3, ("a date such as",), ("--set", "modality.split=soon")),
    (
        "lines by time",
        lambda tmp: sequences(tmp / "x.txt", histories(12, 10)),
        3,
        ("a log with times",),
        ("--set", "modality.split=time"),
    ),
    ("no table", many(lambda row: row), 3, ("no file", "column item"), ("--set", "modality.features=none.csv")),
    ("cold without features", many(lambda row: row), 2, ("by their features alone",), ("--set", "modality.cold=0.1")),
    ("too deep a core", many(lambda row: row), 3, ("modality.core",), ("--set", "modality.core=500")),
]


def turned(tmp):
    lines = log(tmp / "log.csv", histories(12, 10)).read_text().splitlines()
    (tmp / "log.csv").write_text("\n".join([lines[0], *lines[:0:-1]]) + "\n")
    return tmp / "log.csv"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_training_ends_as_it_should(case, tmp_path, capfd):
    _, prepare, code, said, *more = case
    words = [
        "train",
        str(prepare(tmp_path)),
        *NAMED,
        *QUICK,
        "--out",
        str(tmp_path / "run"),
        *(more[0] if more else ()),
    ]
    assert run(words) == code
    told = capfd.readouterr().err
    assert "Traceback" not in told
    assert "bug in tacit" not in told
    for words in said:
        assert words in told


def test_methods_that_do_not_suit_histories_say_why(tmp_path, capfd):
    data = str(sequences(tmp_path / "x.txt", histories(12, 10)))
    for method, said in (("rotation", "which interactions data do not have"), ("electra", "spell")):
        assert run(["train", data, *NAMED, *QUICK, "--method", method, "--out", str(tmp_path / method)]) == 2
        assert said in capfd.readouterr().err


def test_an_evaluation_by_labels_says_that_users_have_no_test_part(tmp_path, capfd):
    data = str(log(tmp_path / "log.csv", histories(12, 10)))
    assert run(["train", data, *QUICK, "--out", str(tmp_path / "run")]) == 0
    assert run(["evaluate", str(tmp_path / "run"), data, "--task", "linear"]) == 3
    assert "Traceback" not in capfd.readouterr().err
    assert run(["evaluate", str(tmp_path / "run"), data, "--task", "next-item", "--leave-out", "group"]) == 2
    assert run(["generate", str(tmp_path / "run")]) == 2
    assert "tacit recommend" in capfd.readouterr().err
