import pytest

from tacit.engine.settings import DEFAULT_SECONDS, Budget, EngineConfig
from tacit.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("90", 90), ("10m", 600), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400), ("1 H 1 m 1 s", 3661)],
)
def test_a_time_is_read_from_text(text: str, seconds: float) -> None:
    assert Budget.parse({"time": text}).seconds == seconds


@pytest.mark.parametrize("text", ["", "soon", "10 parsecs", "m", "-5s", "0s"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="time"):
        Budget.parse({"time": text})


def test_a_run_has_one_budget() -> None:
    assert Budget().seconds == DEFAULT_SECONDS
    assert Budget(steps=3).seconds is None
    with pytest.raises(UsageError, match="epochs and steps are given"):
        Budget.parse({"epochs": 1, "steps": 1})


@pytest.mark.parametrize(
    ("samples", "batch"), [(2, 2), (7, 2), (16, 4), (100, 16), (1000, 128), (1024, 256), (10**6, 256)]
)
def test_few_samples_get_a_small_batch(samples: int, batch: int) -> None:
    assert EngineConfig().batch_size(samples) == batch
    assert EngineConfig(usual_batch=1024).batch_size(samples) == (1024 if samples == 10**6 else batch)


def test_a_batch_is_a_multiple_of_its_micro_batches() -> None:
    assert EngineConfig(accumulate=3).batch_size(10**6) == 255
    assert EngineConfig(batch=50).batch_size(10) == 50, "what was asked for is not rewritten"
    with pytest.raises(UsageError, match="batch 10 is not a multiple of accumulate 4"):
        EngineConfig.parse({"batch": 10, "accumulate": 4})


def test_settings_survive_yaml() -> None:
    config = EngineConfig.parse({"budget": {"time": "1m"}, "optimiser": {"name": "lars", "clip": 1}})
    assert EngineConfig.from_yaml(config.to_yaml()) == config
