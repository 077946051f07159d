"""Names, fingerprints and the order of classes."""

import os
import resource
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacit.data.listing import NamesBuilder, fingerprint, hidden, number_classes, printable, read_file, suffix
from tacit.data.mapped import MappedRows


def names(texts):
    builder = NamesBuilder(1)
    for number, text in enumerate(texts):
        builder.add(text, number)
    return builder.finish()


@given(st.lists(st.binary(max_size=8)))
def test_names_hold_any_bytes_and_sort_by_them(texts):
    listed, (numbers,) = names(texts)
    assert [os.fsencode(name) for name in listed] == texts
    ordered, rows = listed.sorted()
    assert [os.fsencode(name) for name in ordered] == sorted(texts)
    assert [texts[row] for row in rows] == sorted(texts)
    assert numbers.tolist() == list(range(len(texts)))


@given(st.lists(st.binary(max_size=8), min_size=1), st.data())
def test_names_are_taken_by_row(texts, data):
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1)))
    taken = names(texts)[0].take(np.array(rows, np.int64))
    assert [os.fsencode(name) for name in taken] == [texts[row] for row in rows]


@given(st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8))))
def test_names_are_joined_one_by_one(pairs):
    first, second = (names([pair[place] for pair in pairs])[0] for place in (0, 1))
    assert [os.fsencode(name) for name in first.joined(second)] == [b"".join(pair) for pair in pairs]


def test_a_million_names_take_little_memory():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    builder = NamesBuilder(3)
    for number in range(10**6):
        builder.add(b"train/class/%08d.jpg" % number, 1, 2, 3)
    listed, _ = builder.finish()
    assert listed[999_999] == "train/class/00999999.jpg"
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 150


def test_fingerprints_tell_lists_apart():
    one, _ = names([b"ab", b"c"])
    other, _ = names([b"a", b"bc"])
    numbers = np.arange(2)
    marks = {
        fingerprint("x", one, numbers),
        fingerprint("y", one, numbers),
        fingerprint("x", other, numbers),
        fingerprint("x", one, numbers[::-1]),
    }
    assert len(marks) == 4
    assert fingerprint("x", names([b"ab", b"c"])[0], np.arange(2)) in marks


def test_classes_are_ordered_as_numbers_where_they_are():
    assert number_classes(["10", "9", None, "-1"])[1] == ("-1", "9", "10")
    codes, classes = number_classes(["b", None, "a", "10"])
    assert classes == ("10", "a", "b")
    assert codes.tolist() == [2, -1, 1, 0]


def test_printable_fits_one_line_and_utf8():
    assert printable("Grüße 猫.png") == "Grüße 猫.png"
    assert printable(os.fsdecode(b"a\xff\n\x1b[31m.png")) == "a\\xff\\n\\x1b[31m.png"
    assert printable("\ud800") == "\\ud800"


def test_hidden_and_suffix():
    assert hidden(b"a/.git/x.png")
    assert hidden(b"__MACOSX/x.png")
    assert not hidden(b"./a/../x.png")
    assert suffix(b"a/b.tar.PNG") == ".png"
    assert suffix("a.b/c") == ""


@pytest.mark.parametrize("order", ["C", "F"])
def test_mapped_rows_are_the_array(tmp_path, order):
    array = np.asarray(np.arange(60, dtype="<u2").reshape(5, 4, 3), order=order)
    (tmp_path / "x").write_bytes(b"head" + array.tobytes(order))
    rows = MappedRows(tmp_path / "x", "<u2", (5, 4, 3), 4, order)
    assert (rows.take(np.array([4, 0, 4])) == array[[4, 0, 4]]).all()
    with pytest.raises((ValueError, TypeError)):
        MappedRows(tmp_path / "x", "<u2", (6, 4, 3))


def test_to_read_a_small_file_takes_little_memory(tmp_path):
    path = tmp_path / "small"
    path.write_bytes(b"content" * 1000)
    tracemalloc.start()
    try:
        assert read_file(path) == read_file(os.fsencode(path)) == b"content" * 1000
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_a_file_whose_system_does_not_say_its_size_is_read():
    path = Path("/proc/self/status")
    if not path.is_file():
        pytest.skip("there is no /proc")
    assert path.stat().st_size == 0
    assert read_file(path).startswith(b"Name:")
