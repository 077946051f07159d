"""How far steps are apart, in facts and words."""

import pytest

from tacit.modalities.grid import Every
from tacit.modalities.rhythm import advice, in_words, rhythm, suggested

EVEN = [f"2024-05-01 13:{minute:02}" for minute in range(0, 50, 10)]


def all_of(*series):
    known = {}
    for times in series:
        for name, value in rhythm(times).items():
            known.setdefault(name, []).append(value)
    return known


def test_the_usual_step_the_longest_and_whether_all_are_alike():
    assert rhythm(EVEN) == {"step, s": 600, "uneven steps": "no", "longest gap, s": 600}
    gap = [*EVEN, "2024-05-01 17:00"]
    assert rhythm(gap) == {"step, s": 600, "uneven steps": "yes", "longest gap, s": 12_000}
    assert rhythm(["1", "2", "2.95", "4"]) == {"step": 1, "uneven steps": "no", "longest gap": pytest.approx(1.05)}
    assert rhythm(["1", "2", "3.5"])["uneven steps"] == "yes"
    assert rhythm(["1"]) == rhythm([]) == {}


def test_uneven_steps_are_told_with_the_setting():
    assert advice(all_of(EVEN, EVEN)) == advice({}) == []
    (said,) = advice(all_of(EVEN, [*EVEN, "2024-05-01 17:00"], EVEN))
    assert said.startswith("1 of 3 series have uneven steps, usually 10m and at most 3h 20m apart")
    assert "--set modality.every=10m brings rows to even steps" in said
    (said,) = advice(all_of(["0", "0.5", "1", "9"]))
    assert "usually 0.5 and at most 8 apart" in said
    assert "--set modality.every=0.5 " in said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(600, "10m"), (598, "10m"), (420, "7m"), (433.48, "433s"), (0.251, "250ms"), (1.2345, "1234ms"), (86_400, "1d"),
     (604_800, "7d"), (3e-6, "3us"), (1e-9, "1us"), (1e12, "36525d")],
)  # fmt: skip
def test_the_step_that_is_advised_is_one_that_people_choose_where_one_is_near(seconds, said):
    assert suggested(seconds, dated=True) == said
    assert str(Every.of(said)) == said


def test_numbers_are_advised_as_numbers():
    assert [suggested(step, dated=False) for step in (1.0, 0.1 + 0.2, 1e300)] == ["1", "0.3", "1000000000000000"]


def test_spans_are_told_by_two_units():
    assert [in_words(span) for span in (600, 15_600, 90_061, 0.25, 1e-6)] == [
        "10m",
        "4h 20m",
        "1d 1h",
        "250ms",
        "1e-06s",
    ]
