import pytest

from tacit.core import Progress
from tacit.schedule import cosine, warmup_cosine, young


def test_warm_up_rises_then_the_cosine_falls():
    factors = [warmup_cosine(Progress(step, 100), 0.1) for step in range(100)]
    assert factors[0] > 0
    assert factors[:10] == sorted(factors[:10])
    assert factors[10] == pytest.approx(1)
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[55] == pytest.approx(0.5)
    assert 0 < factors[99] < 0.001


def test_a_run_of_one_step_learns():
    assert warmup_cosine(Progress(0, 1), 0.05) > 0


def test_the_floor_is_reached_at_the_end():
    assert warmup_cosine(Progress(100, 100), 0.0, floor=0.25) == pytest.approx(0.25)


def test_cosine_goes_from_start_to_end():
    assert cosine(Progress(0, 10), 0.9, 1.0) == pytest.approx(0.9)
    assert cosine(Progress(5, 10), 0.9, 1.0) == pytest.approx(0.95)
    assert cosine(Progress(10, 10), 0.9, 1.0) == pytest.approx(1.0)


def test_a_young_teacher_keeps_less_of_itself():
    assert young(Progress(0, 1000), 0.99) == pytest.approx(0.1)
    kept = [young(Progress(step, 10_000), 0.99) for step in range(1000)]
    assert kept == sorted(kept)
    assert kept[-1] == 0.99
