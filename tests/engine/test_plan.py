import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacit.engine import plan
from tacit.engine.plan import Costs, Plan


@given(total=st.integers(1, 10**6), evaluations=st.integers(0, 20))
def test_first_and_last_steps_are_looked_at_and_logged(total: int, evaluations: int) -> None:
    made = plan.make(total, log_every=None, evaluations=evaluations)
    assert made.checks[0] == 0
    assert made.checks[-1] == total
    assert list(made.checks) == sorted(set(made.checks))
    assert all(made.logs(step) for step in made.checks)
    assert 1 <= made.log_every <= 50


def test_long_runs_are_looked_at_early() -> None:
    assert plan.make(5000, log_every=None, evaluations=5).checks == (0, 100, 200, 1000, 2000, 3000, 4000, 5000)
    assert plan.make(50, log_every=None, evaluations=5).checks == (0, 10, 20, 30, 40, 50)


def test_a_plan_survives_json() -> None:
    made = plan.make(77, log_every=3, evaluations=4)
    assert Plan.from_dict(json.loads(json.dumps(made.to_dict()))) == made


@given(
    left=st.floats(1, 1e5),
    step=st.floats(1e-3, 1),
    check=st.floats(0, 3),
    save=st.floats(0, 1),
    copied=st.floats(0, 1),
    every=st.floats(5, 100),
)
def test_steps_checks_and_checkpoints_fill_the_time(
    left: float, step: float, check: float, save: float, copied: float, every: float
) -> None:
    costs = Costs(step, check, save, copied * save)
    made = plan.within(left, costs, log_every=None, evaluations=10, checkpoint_seconds=every)
    spent = made.total * step + len(made.checks) * check + 2 * save + left / every * copied * save
    unavoidable = step + 4 * check + 3 * save
    assert spent <= left + unavoidable
    assert made.total == 1 or spent >= 0.8 * left - unavoidable


def test_steps_wait_for_the_copy_of_a_checkpoint_and_for_one_that_is_still_written() -> None:
    def steps(whole: float, copied: float) -> int:
        costs = Costs(0.1, 0, whole, copied)
        return plan.within(100, costs, log_every=None, evaluations=0, checkpoint_seconds=10).total

    assert steps(0, 0) == 1000
    assert steps(5, 0) == 900  # the first and the last
    assert steps(5, 0.5) == 850  # ten between
    assert steps(20, 0.5) == 100  # five between, ten seconds each


def test_the_first_of_checks_to_go_are_those_in_between() -> None:
    made = plan.within(10, Costs(0.001, 1.0, 0), log_every=None, evaluations=10, checkpoint_seconds=60)
    assert made.checks == (0, made.total)


@pytest.mark.parametrize("left", [-5.0, 0.0, 1e-9])
def test_a_budget_that_is_gone_still_gives_one_step(left: float) -> None:
    assert plan.within(left, Costs(1, 1, 1), log_every=None, evaluations=10, checkpoint_seconds=60).total == 1
