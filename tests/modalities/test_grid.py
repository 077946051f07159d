"""Rows at even steps: beside pandas, and by the laws that they obey."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacit.errors import Unreadable, UsageError
from tacit.modalities.grid import Every, evened
from tacit.modalities.series import SERIES
from tacit.modalities.stamps import NUMBER, instants
from tacit.modalities.steps import decode, even

NAN = float("nan")
START = datetime(2024, 3, 30, 22, 17)
DATED = ("1ms", "250ms", "7s", "10m", "1h", "5h", "1d", "7d")
CELLS = st.one_of(st.floats(-1e6, 1e6, width=32), st.just(NAN))
MOMENTS = st.lists(st.integers(0, 3_000), min_size=1, max_size=30)


def brought(texts, values, every):
    """The even series of rows, as lists."""
    step, rows = Every.of(every), range(1, len(texts) + 1)
    when = instants(texts, rows)
    return evened(np.array(values, np.float64).reshape(len(texts), -1), step.bins(when, rows), step, when.kind)


def times_of(places, every):
    """Dates, `places` tenths of a step behind `START`."""
    micros = int(Every.of(every).size)
    return [START + timedelta(microseconds=place * micros // 10) for place in places]


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("10m", "10m"), ("10min", "10m"), (" 1H ", "1h"), ("60m", "1h"), ("1h30m", "90m"), ("24h", "1d"), ("2w", "14d"),
        ("0.25s", "250ms"), ("250 ms", "250ms"), (".5", "0.5"), (600, "600"), (600.0, "600"), ("1e-3", "0.001"),
    ],
)  # fmt: skip
def test_a_step_has_one_spelling(given, written):
    config = SERIES.config.parse({"every": given})
    assert config.every == written
    assert SERIES.config.from_yaml(config.to_yaml()) == config
    assert str(Every.of(written)) == written


@pytest.mark.parametrize(
    "given",
    ["", "soon", "-5m", "0", "0m", "-1", "nan", "inf", "1e400", "10x", "m", "0.1us", "200000d", True, [1]],
)
def test_what_is_no_step_is_refused_with_what_to_write(given):
    with pytest.raises(UsageError, match=r"every: .*(no step of a grid: |string)"):
        SERIES.config.parse({"every": given})


@given(MOMENTS, st.data(), st.sampled_from(DATED), st.sampled_from([None, UTC]))
def test_it_is_what_pandas_resamples_to(places, data, every, zone):
    times = [time.replace(tzinfo=zone) for time in times_of(places, every)]
    values = data.draw(st.lists(CELLS, min_size=len(places), max_size=len(places)))
    found = brought(times, values, every)
    size = pd.Timedelta(int(Every.of(every).size), unit="us")
    expected = pd.Series(values, pd.DatetimeIndex(times)).sort_index().resample(
        size, origin=pd.Timestamp("1970-01-05", tz=zone)
    ).mean()  # fmt: skip
    assert np.allclose(found.values[:, 0], expected.to_numpy(), rtol=1e-5, atol=1e-2, equal_nan=True)
    assert [pd.Timestamp(time) for time in found.times()] == list(expected.index)


@given(st.integers(-50, 50), st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=30), st.data())
def test_values_on_the_grid_stay_as_they_are(first, rows, data):
    every = data.draw(st.sampled_from(["0.1", "0.3", "2", "1000000"]))
    texts = [f"{(first + place) * Every.of(every).size:f}" for place in range(len(rows))]
    found = brought(texts, rows, every)
    assert np.array_equal(found.values, np.array(rows, np.float32), equal_nan=True)
    assert list(found.times()) == texts


@given(MOMENTS, st.data(), st.sampled_from(DATED))
def test_the_mean_over_all_rows_is_kept(places, data, every):
    values = np.array(data.draw(st.lists(CELLS, min_size=len(places), max_size=len(places))))
    times = times_of(places, every)
    found = brought(times, values, every).values[:, 0].astype(np.float64)
    counted = brought(times, np.where(np.isnan(values), NAN, 1.0), every).values[:, 0]
    assert np.array_equal(np.isnan(found), np.isnan(counted))
    step = Every.of(every)
    bins = step.bins(instants(times, range(len(times))), range(len(times)))
    counts = np.bincount((bins - bins.min())[~np.isnan(values)], minlength=len(found))
    assert np.isclose((np.nan_to_num(found) * counts).sum(), np.nansum(values), rtol=1e-5, atol=1)


@given(MOMENTS, st.data(), st.sampled_from(DATED))
def test_the_order_of_rows_does_not_matter(places, data, every):
    rows = st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=len(places), max_size=len(places))
    times, values = times_of(places, every), data.draw(rows)
    found = brought(times, values, every)
    order = data.draw(st.permutations(range(len(places))))
    again = brought([times[row] for row in order], [values[row] for row in order], every)
    assert found.values.tobytes() == again.values.tobytes()
    assert found.times() == again.times()


def test_each_channel_is_averaged_by_itself_and_an_empty_step_is_missing():
    found = brought(["0", "5", "9.99", "31"], [[1, NAN], [3, 4], [NAN, NAN], [7, 8]], "10")
    expected = [[2, 4], [NAN, NAN], [NAN, NAN], [7, 8]]
    assert np.array_equal(found.values, np.array(expected, np.float32), equal_nan=True)
    assert found.times() == ["0", "10", "20", "30"]


@pytest.mark.parametrize(
    ("texts", "every", "times"),
    [
        (["2024-03-31 01:59:59", "2024-03-31 03:00"], "1h", ["01:00:00", "02:00:00", "03:00:00"]),
        (["2024-03-31T03:10+02:00", "2024-03-31T01:55+01:00"], "30m", ["00:30:00+00:00", "01:00:00+00:00"]),
        (["2024-03-31 00:00:00.26", "2024-03-31 00:00:00.74"], "250ms", ["00:00:00.250", "00:00:00.500"]),
    ],
)
def test_times_are_of_utc_where_zones_are_known_and_as_they_stand_elsewhere(texts, every, times):
    assert [time.partition(" ")[2] for time in brought(texts, range(len(texts)), every).times()] == times


def test_days_begin_at_midnight_and_weeks_on_monday():
    assert brought(["2024-05-31 17:00"], [1], "1d").times() == ["2024-05-31 00:00:00"]
    assert datetime.fromisoformat(brought(["2024-05-31 17:00"], [1], "7d").times()[0]).strftime("%A") == "Monday"
    assert brought(["1901-01-01 17:00"], [1], "1d").times() == ["1901-01-01 00:00:00"]


def test_a_time_that_is_wrong_by_decades_is_named_and_costs_nothing():
    rows = ["1970-01-01 00:00", *(f"2024-05-01 13:{minute:02}" for minute in range(50))]
    table = "time,x\n" + "".join(f"{time},1\n" for time in rows)
    said = r"row 2 is of 1970-01-01 00:00:00, and row 52 of 2024-05-01 13:49:00: in steps of 1s these are 1,714,571,341"
    with pytest.raises(Unreadable, match=said):
        decode(table.encode(), "1s")
    assert len(decode(table.encode(), "1d")) == 19_845, "which is odd, and no harm"
    for every in ("1", "1e-12"):
        with pytest.raises(Unreadable, match="too large to be told in steps of"):
            decode(b"time,x\n1e300,1\n2,3\n", every)


def test_many_channels_do_not_fill_the_memory():
    names = ",".join(f"c{number}" for number in range(2_000))
    table = f"time,{names}\n" + "".join(f"{time}{',1' * 2_000}\n" for time in (0, 99_999))
    with pytest.raises(Unreadable, match="100,000 steps of 1 and 2,000 channels are more than the limit"):
        decode(table.encode(), "1")


@pytest.mark.parametrize(
    ("raw", "every", "said"),
    [
        (b"time,x\n1,2\n3,4\n", "10m", "its times are numbers, and modality.every=10m is a duration"),
        (b"time,x\n2024-01-01,2\n", "600", "its times are dates, and modality.every=600 is a number"),
        (
            b"x,y\n1,2\n",
            "10m",
            "no times, and modality.every=10m needs them: give tables with a column time, timestamp",
        ),
        (b"time,x\n2024-01-01,\n", "1d", "all are missing"),
        (b"time,x\n1,inf\n1,-inf\n", "1", "infinity"),
        (b"time,x\n1,2\n2024-01-01,3\n", "1", "write all alike"),
    ],
)
def test_what_cannot_be_brought_to_even_steps_says_why(raw, every, said):
    with pytest.raises(Unreadable, match=said):
        decode(raw, every)


def test_two_rows_of_one_time_are_averaged_where_they_would_be_refused():
    table = b"time,x\n1,2\n1,4\n2,5\n"
    with pytest.raises(Unreadable, match=r"rows 2 and 3 have the same time: .* --set modality.every=10m"):
        decode(table)
    assert decode(table, "1").ravel().tolist() == [3, 5]


def test_arrays_have_no_times_and_are_taken_as_they_are_by_an_encoder_alone():
    assert decode(np.arange(3), "10m").ravel().tolist() == [0, 1, 2]
    with pytest.raises(Unreadable, match="it has no times"):
        even(np.arange(3), Every.of("10m"))


def test_a_hundred_thousand_rows_take_no_time():
    generator = np.random.default_rng(0)
    numbers = generator.uniform(0, 1e5, 100_000)
    every = Every.of("1")
    bins = every.bins(instants(list(numbers), range(100_000)), range(100_000))
    found = evened(generator.standard_normal((100_000, 3)), bins, every, NUMBER)
    assert len(found.values) == 100_000
    assert 0.3 < np.isnan(found.values[:, 0]).mean() < 0.43, "1/e of them are empty"
