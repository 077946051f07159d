import math
from collections.abc import Iterable, Mapping

import pytest

from tacit.engine.settings import Optimiser
from tacit.engine.watch import Alarm, Watch, in_words

START = {"step": 0, "std": 0.2, "rank": 100.0, "weights": 20.0, "distinct": 1.0}


def alarms(records: Iterable[Mapping[str, float]], lr: float = 0.003, *, contrasts: bool = True) -> dict[str, Alarm]:
    """All alarms of a run by name; each is raised once."""
    watch, raised = Watch(Optimiser(lr=lr), contrasts=contrasts), {}
    for record in records:
        for alarm in watch.see(record):
            assert alarm.name not in raised
            raised[alarm.name] = alarm
    return raised


def run(losses: Iterable[float], lr: float = 0.003, every: int = 1) -> list[dict[str, float]]:
    return [
        START,
        *({"step": every * (n + 1), "loss": x, "nothing_learnt": 5.0, "lr": lr} for n, x in enumerate(losses)),
    ]


HEALTHY = {
    "falls": [5.2 - 2 * (1 - math.exp(-n / 100)) for n in range(1000)],
    "falls from far above": [500 * math.exp(-n / 60) + 4.9 - n / 500 for n in range(1000)],
    "starts late": [5.0 if n < 120 else 5.0 - (n - 120) / 300 for n in range(1000)],
    "rises below, as a queue fills": [3 + min(1.9, n / 200) for n in range(1000)],
    "noisy": [4.7 + 0.2 * math.sin(n * 12.9898) for n in range(1000)],
}


@pytest.mark.parametrize("name", HEALTHY)
@pytest.mark.parametrize("every", [1, 20, 50])
def test_a_healthy_loss_raises_nothing(name: str, every: int) -> None:
    assert alarms(run(HEALTHY[name][::every], every=every)) == {}


SICK = {
    "glued": [4.999] * 200,
    "above": [5.0 + abs(math.sin(n * 12.9898)) for n in range(200)],
    "rising": [20.0 + n for n in range(200)],
}


@pytest.mark.parametrize("name", SICK)
@pytest.mark.parametrize("every", [1, 20, 50])
def test_a_loss_that_stays_is_named_within_200_steps(name: str, every: int) -> None:
    raised = alarms(run(SICK[name][::every][: 200 // every], every=every))
    assert raised.keys() == {"nothing-learnt"}
    assert "5 means nothing learnt" in raised["nothing-learnt"].text
    assert "temperature" in raised["nothing-learnt"].text


def test_a_warm_up_is_given_time() -> None:
    records = run([5.0] * 400, lr=1e-4)
    assert alarms(records) == {}
    assert alarms(records, lr=2e-4).keys() == {"nothing-learnt"}, "half of the full rate moves what can be moved"


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_ends_the_run(loss: float) -> None:
    [alarm] = alarms([START, {"step": 7, "loss": loss}], lr=0.125).values()
    assert alarm.fatal
    assert f"the loss is {loss} at step 7" in alarm.text
    assert "optimiser.lr (it is 0.125)" in alarm.text


@pytest.mark.parametrize("measure", [{"std": 0.005, "rank": 90.0}, {"std": 0.2, "rank": 1.1}, {"std": math.nan}])
def test_a_collapse_is_measured_against_the_untrained_network(measure: dict[str, float]) -> None:
    [alarm] = alarms([START, {"step": 100, **measure}, {"step": 200, **measure}]).values()
    assert alarm.name == "collapse"
    assert "untrained 0.2" in alarm.text
    assert not alarms([{**START, "std": 0.02, "rank": 2.0}, {"step": 100, "std": 0.005, "rank": 1.1}])


@pytest.mark.parametrize("first", [{"distinct": 0.0}, {"std": 0.0}])
def test_constant_samples_are_named_once_and_alone(first: dict[str, float]) -> None:
    [alarm] = alarms([{**START, **first}, {"step": 50, "std": 0.0}, *run([5.0] * 200)[1:]]).values()
    assert alarm.name == "constant-input"


def test_exploding_weights_are_named_early_and_slow_growth_is_not() -> None:
    assert alarms([START, {"step": 100, "weights": 4000.0}], lr=3.0).keys() == {"weights-explode"}
    assert not alarms([START, {"step": 100, "weights": 60.0}, {"step": 50_000, "weights": 400.0}])


def test_without_a_value_of_nothing_learnt_a_loss_is_not_judged() -> None:
    assert not alarms([START, *({"step": n, "loss": 1.0, "nothing_learnt": 0.0, "lr": 0.003} for n in range(1, 300))])


def test_health_is_put_in_words() -> None:
    health = {"std": 0.51, "rank": 31.4, "dim": 128.0, "alignment": 0.2}
    assert in_words(health, {}) == "standard deviation 0.51, effective rank 31.4 of 128, alignment 0.2"
    assert in_words({"std": 0.51}, START) == "standard deviation 0.51 (untrained 0.2)"


def test_a_codebook_of_which_one_code_is_used_is_named() -> None:
    healthy = [START, {"step": 10, "code_perplexity": 40.0}]
    assert "dead-codebook" not in alarms(healthy)
    assert "dead-codebook" in alarms([*healthy, {"step": 20, "code_perplexity": 1.3}])


def course(*uniformity: float) -> list[dict[str, float]]:
    return [{"step": 100.0 * n, "std": 1.0, "rank": 100.0, "uniformity": u} for n, u in enumerate(uniformity)]


def test_a_run_that_begins_to_tell_each_sample_apart_is_ended() -> None:
    raised = alarms(course(-3.88, -3.93, -3.64, -3.59, -3.6, -3.615))
    assert raised["turned"].ends
    assert not raised["turned"].fatal
    assert "until step 300 " in raised["turned"].text
    assert "--steps 300," in raised["turned"].text
    assert not alarms(course(-3.88, -3.59, -3.615), contrasts=False)


@pytest.mark.parametrize(
    "uniformity",
    [
        (-3.88, -3.93, -3.64, -3.59, -3.6, -3.6),  # halves of film reviews, to the end of their schedule
        (-3.88, -3.93, -3.95),  # has not begun to draw together
        (-0.29, -0.48, -0.55),  # CIFAR-10, simclr
        (-0.29, -0.26, -0.2, -0.25, -0.9),  # CIFAR-10, moco
    ],
)
def test_runs_that_are_on_their_way_are_not_ended(uniformity: tuple[float, ...]) -> None:
    assert not alarms(course(*uniformity))


def test_a_learner_without_matrices_has_weights_of_no_size() -> None:
    assert alarms([{**START, "weights": 0.0}, {"step": 50, "weights": 0.0}]) == {}
