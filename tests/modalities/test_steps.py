"""Series in files of their own, and arrays: every format, and what is refused."""

import contextlib
import io
from datetime import UTC, date, datetime

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from curves import wave, wide
from hypothesis import example, given
from hypothesis import strategies as st

from tacit.errors import Unreadable
from tacit.modalities.steps import decode

NAN = float("nan")


def npy(x):
    buffer = io.BytesIO()
    np.save(buffer, x)
    return buffer.getvalue()


def parquet(**columns):
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "raw",
    [
        np.array([[1, 2], [3, NAN]]),
        npy(np.array([[1, 2], [3, NAN]])),
        b"1,2\n3,\n",
        b"a,b\n1,2\n3,NA\n",
        b"a;b\n1;2\n3;?\n",
        b"a\tb\r\n1\t2\r\n3\tnull\r\n",
        b" 1   2\n\n3 nan\n",
        b"\xef\xbb\xbfTime,a,b\n20,3,\n10,1,2\n",
        b"timestamp,a,b\n2024-05-02,3,\n2024-05-01,1,2\n",
        parquet(a=[1, 3], b=[2.0, None]),
        parquet(date=[datetime(2024, 5, 2, tzinfo=UTC), datetime(2024, 5, 1, tzinfo=UTC)], a=[3, 1], b=[None, 2]),
        parquet(date=[date(2024, 5, 2), date(2024, 5, 1)], a=[3, 1], b=[None, 2]),
    ],
)
def test_every_format_says_the_same(raw):
    found = decode(raw)
    assert found.dtype == np.float32
    assert np.array_equal(found, [[1, 2], [3, NAN]], equal_nan=True)


def test_a_list_of_numbers_is_one_channel():
    for raw in (np.arange(3), npy(np.arange(3, dtype=np.int16)), b"0\n1\n2\n", b"value\n0\n1\n2\n"):
        assert decode(raw).tolist() == [[0], [1], [2]]


@given(st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=2), min_size=1, max_size=8))
def test_what_is_written_is_read(rows):
    text = "".join(f"{first!r},{second!r}\n" for first, second in rows)
    assert np.allclose(decode(text.encode()), np.array(rows, np.float32))


def test_times_in_order_or_not_give_the_same():
    x = wave(length=9, channels=2)
    order = np.random.default_rng(0).permutation(9)
    assert np.allclose(decode(wide(x[order], times=order).encode()), x, atol=1e-5)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "an empty file"),
        (b" \n\n", "an empty file"),
        (b"a,b\n", "no step"),
        (b"time\n1\n2\n", "no channel"),
        (b"a,b\n1,2\n3\n", "row 3 has 1 cells, and others have 2"),
        (b"1,2\n3,4,5\n", "row 2 has 3 cells"),
        (b"a,b\n1,2\n3,cold\n", "row 3, column b: 'cold' is no number"),
        (b"a,b\n1,\n", None),
        (b"a,b\n,\n,\n", "all are missing"),
        (b"1\ninf\n", "infinity"),
        (b"1\n1e300\n", "beyond 1e"),
        (b"time,x\n1,2\n2,3\n1,4\n", "rows 2 and 4 have the same time"),
        (b"time,x\n1,2\n2024-01-01,3\n", "row 3: the time 2024-01-01 is"),
        (b"time,x\n2024-01-01,2\n2024-01-02T00:00Z,3\n", "time zone"),
        (b"time,date,x\n1,1,2\n", "both say when"),
        (b"series,time,x\n1,1,2\n", "a table of many series"),
        (b"\xff\xfe1\x00", "no UTF-8"),
        (b"#x\n@univariate true\n@data\n1,2:a\n", "many series"),
        (b"\x00\x01\x02,\x00", "binary"),
        (b"PAR1 and no more", "no Parquet"),
        (npy(np.zeros((2, 3)))[:-5], "cut off"),
        (npy(np.zeros((2, 3, 4))), "steps x channels"),
        (npy(np.array([1j])), "steps x channels"),
        (npy(np.array([None])), "no array"),
        (b"\x93NUMPY\x07", "no array"),
        (np.zeros((0, 3)), "steps x channels"),
        (np.full((4, 2), NAN), "all are missing"),
        (np.array(["a"]), "steps x channels"),
    ],
)
def test_what_is_no_series_says_why(raw, reason):
    if reason is None:
        assert np.array_equal(decode(raw), [[1, NAN]], equal_nan=True)
        return
    with pytest.raises(Unreadable, match=reason):
        decode(raw)


def test_a_header_that_promises_too_much_allocates_nothing():
    small = npy(np.zeros((2, 3)))
    with pytest.raises(Unreadable, match="promises"):
        decode(small.replace(b"(2, 3)", b"(9999999999, 3)").replace(b" " * 8 + b"\n", b"\n", 1))


@given(st.binary(max_size=60))
@example(b"\xef\xbb\xbf")
def test_whatever_the_bytes_there_is_a_series_or_a_reason(raw):
    with contextlib.suppress(Unreadable):
        assert decode(raw).ndim == 2
